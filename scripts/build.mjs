// npm run build: what git does not hold, made from packages (detector, lexicon), then the program itself.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, step, TSC, TSX, together } from './steps.mjs';

await together([TSX, 'scripts/detector/build.ts'], [TSX, 'scripts/lexicon/build.ts']);
rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
step(TSC);
step('scripts/manifest.mjs');
