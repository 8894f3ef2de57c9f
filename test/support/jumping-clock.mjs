// Loaded into a real run by NODE_OPTIONS: the wall clock jumps to another time between 1970 and 2100 whenever it is read.
const RealDate = Date;
let state = 12345;

function jump() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return (state / 2 ** 32) * 4.1e12;
}

globalThis.Date = class extends RealDate {
  constructor(...values) {
    if (values.length === 0) super(jump());
    else super(...values);
  }
  static now() {
    return jump();
  }
};
