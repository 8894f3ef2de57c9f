import { Flags } from '@oclif/core';
import { VgrCommand } from '../../cli/base-command.js';
import { inferenceFlags, withVariables, words } from '../../cli/flags.js';
import { PIXEL_ENCODING_NAMES } from '../../detect/packing.js';
import { agreement } from '../../evaluate/agreement.js';
import { ENCODER_FAMILIES } from '../../formats/encoder-card.js';
import { GRAPH_FAMILY_NAMES } from '../../formats/model-card.js';
import { type AddFlags, addModel } from '../../models/add.js';

export default class ModelsAdd extends VgrCommand<typeof ModelsAdd> {
  static override summary = 'Adds a detector or an image-text encoder of your own.';
  static override description =
    `Inspects an ONNX file, recognises its family, writes its card, runs it over photos and shows what it finds.
Labels and pixels come from the graph's metadata and from config.json and preprocessor_config.json beside it; flags win.
A folder with vision_model.onnx, text_model.onnx and tokenizer.json is an image-text encoder, CLIP or SigLIP.`;
  static override examples = [
    '<%= config.bin %> models add yolo11n.onnx',
    '<%= config.bin %> models add helmets.onnx --labels helmets.txt --licence CC-BY-4.0',
    '<%= config.bin %> models add model.onnx --family detr --size 384 --pixels imagenet --dry-run',
    '<%= config.bin %> models add ./clip-vit-base-patch16 --name clip-b16',
  ];
  static override args = {
    file: words('ONNX file, or folder of an encoder'),
  };
  static override flags = {
    ...withVariables({
      family: Flags.option({
        summary: 'family of the model [default: recognised by its outputs]',
        options: [...GRAPH_FAMILY_NAMES, ...ENCODER_FAMILIES],
      })(),
      name: Flags.string({
        helpValue: 'NAME',
        summary: 'name of the model [default: from the file name]',
      }),
      labels: Flags.string({
        helpValue: 'FILE',
        summary: 'file of label names: one per line, or JSON such as config.json or a COCO file',
      }),
      size: Flags.string({
        helpValue: 'SIZE',
        summary: 'side of the input, or WIDTHxHEIGHT, pixels, where the graph leaves it open',
      }),
      pixels: Flags.option({
        summary:
          'range of the pixels: 0..1, 0..255, -1..1, or normalised by ImageNet or CLIP mean and deviation [default: as usual for the family]',
        options: PIXEL_ENCODING_NAMES,
      })(),
      channels: Flags.option({
        summary: 'order of the channels [default: as usual for the family]',
        options: ['rgb', 'bgr'] as const,
      })(),
      licence: Flags.string({ helpValue: 'TEXT', summary: 'licence of the weights, for the card' }),
      citation: Flags.string({ helpValue: 'TEXT', summary: 'whom to cite, for the card' }),
      photo: Flags.string({
        helpValue: 'DIR',
        summary:
          'photo or folder for the trial; may be given several times [default: photos that come with the program]',
        multiple: true,
        multipleNonGreedy: true,
      }),
      'dry-run': Flags.boolean({ summary: 'print the card, add nothing', default: false }),
    }),
    device: inferenceFlags.device,
    'session-timeout': inferenceFlags['session-timeout'],
  };

  protected override work(): Promise<number> {
    const { printer } = this;
    return addModel(this.args.file as string, this.flags as AddFlags, { printer, agreement });
  }
}
