import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/**
 * How one field lies on the wire. `int` is a signed 64-bit varint as a number, which must be a safe integer; `long` is the
 * same as a bigint, and `ulong` its unsigned form. `message` names the table of the nested message.
 */
type FieldKind = 'int' | 'long' | 'ulong' | 'float' | 'double' | 'string' | 'bytes' | 'message';

interface FieldShape {
  readonly number: number;
  readonly kind: FieldKind;
  readonly repeated?: boolean;
  /** A function, so that tables may refer to each other in a circle. */
  readonly table?: () => AnyTable;
}

type AnyTable = Readonly<Record<string, FieldShape>>;

/**
 * The fields of a message type, by the key of the value that holds them. Every key must be listed.
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export type MessageTable<T> = { readonly [K in keyof T]-?: FieldShape };

/** Bytes that are not the message they are taken for: cut short, wrong wire type, a number beyond 2^53. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}

const SCALAR_WIRE: Readonly<Record<FieldKind, WireType>> = {
  int: WireType.Varint,
  long: WireType.Varint,
  ulong: WireType.Varint,
  float: WireType.Bit32,
  double: WireType.Bit64,
  string: WireType.LengthDelimited,
  bytes: WireType.LengthDelimited,
  message: WireType.LengthDelimited,
};

/** Nested messages deeper than this are taken for an attack on the stack. */
const MAX_DEPTH = 64;

/**
 * The message as bytes. Fields come in the order of the table, repeated numbers are packed, undefined fields and empty lists
 * are left out: the same value always gives the same bytes. A zero is written, as presence has a meaning of its own.
 * @throws {ProtobufError} when an integer is not one
 */
export function encodeMessage<T extends object>(value: T, table: MessageTable<T>): Uint8Array {
  const writer = new BinaryWriter();
  writeFields(writer, value as Record<string, unknown>, table as AnyTable);
  return writer.finish();
}

/**
 * The value in the bytes. Repeated fields that are absent are empty, single ones are left out of the object. Unknown fields
 * are skipped. `bytes` fields are views of the input.
 * @throws {ProtobufError} with the place in the message, such as `graph.node[3].name`
 */
export function decodeMessage<T extends object>(bytes: Uint8Array, table: MessageTable<T>): T {
  return readFields(bytes, table as AnyTable, '', 0) as T;
}

function writeFields(writer: BinaryWriter, value: Record<string, unknown>, table: AnyTable): void {
  for (const [key, field] of Object.entries(table)) {
    const held = value[key];
    if (held === undefined) continue;
    if (!field.repeated) {
      writeTagged(writer, field, held);
    } else if (isPackable(field.kind)) {
      writePacked(writer, field, held as readonly unknown[]);
    } else {
      for (const item of held as readonly unknown[]) writeTagged(writer, field, item);
    }
  }
}

function isPackable(kind: FieldKind): boolean {
  return kind !== 'string' && kind !== 'bytes' && kind !== 'message';
}

function writePacked(writer: BinaryWriter, field: FieldShape, items: readonly unknown[]): void {
  if (items.length === 0) return;
  writer.tag(field.number, WireType.LengthDelimited).fork();
  for (const item of items) writeBare(writer, field, item);
  writer.join();
}

function writeTagged(writer: BinaryWriter, field: FieldShape, value: unknown): void {
  writer.tag(field.number, SCALAR_WIRE[field.kind]);
  writeBare(writer, field, value);
}

function writeBare(writer: BinaryWriter, { kind, table }: FieldShape, value: unknown): void {
  switch (kind) {
    case 'int':
      if (!Number.isSafeInteger(value))
        throw new ProtobufError(`expected an integer, got ${value}`);
      writer.int64(value as number);
      break;
    case 'long':
      writer.int64(value as bigint);
      break;
    case 'ulong':
      writer.uint64(value as bigint);
      break;
    case 'float':
      writer.float(value as number);
      break;
    case 'double':
      writer.double(value as number);
      break;
    case 'string':
      writer.string(value as string);
      break;
    case 'bytes':
      writer.bytes(value as Uint8Array);
      break;
    case 'message':
      writer.fork();
      writeFields(writer, value as Record<string, unknown>, table?.() ?? {});
      writer.join();
  }
}

function readFields(
  bytes: Uint8Array,
  table: AnyTable,
  place: string,
  depth: number,
): Record<string, unknown> {
  if (depth > MAX_DEPTH) throw new ProtobufError(`${place}: nested more than ${MAX_DEPTH} deep`);
  const value: Record<string, unknown> = {};
  const byNumber = new Map<number, readonly [string, FieldShape]>();
  for (const [key, field] of Object.entries(table)) {
    byNumber.set(field.number, [key, field]);
    if (field.repeated) value[key] = [];
  }
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wire] = located(place || 'message', () => reader.tag());
    const entry = byNumber.get(number);
    if (entry === undefined) {
      located(place || 'message', () => reader.skip(wire, number));
      continue;
    }
    const [key, field] = entry;
    const list = field.repeated ? (value[key] as unknown[]) : undefined;
    const path = `${place && `${place}.`}${key}${list ? `[${list.length}]` : ''}`;
    const items = located(path, () => readField(reader, field, wire, path, depth));
    if (list === undefined) value[key] = items.at(-1);
    else for (const item of items) list.push(item);
  }
  return value;
}

/** One value, or all those of a packed run. */
function readField(
  reader: BinaryReader,
  field: FieldShape,
  wire: WireType,
  path: string,
  depth: number,
): unknown[] {
  if (wire === SCALAR_WIRE[field.kind]) return [readBare(reader, field, path, depth)];
  if (wire !== WireType.LengthDelimited || !field.repeated || !isPackable(field.kind)) {
    throw new ProtobufError(`${path}: expected wire type ${SCALAR_WIRE[field.kind]}, got ${wire}`);
  }
  const run = new BinaryReader(reader.bytes());
  const items: unknown[] = [];
  while (run.pos < run.len) items.push(readBare(run, field, path, depth));
  return items;
}

function readBare(
  reader: BinaryReader,
  { kind, table }: FieldShape,
  path: string,
  depth: number,
): unknown {
  switch (kind) {
    case 'int': {
      const number = Number(reader.int64());
      if (Number.isSafeInteger(number)) return number;
      throw new ProtobufError(`${path}: expected an integer below 2^53, got ${number}`);
    }
    case 'long':
      return BigInt(reader.int64());
    case 'ulong':
      return BigInt(reader.uint64());
    case 'float':
      return reader.float();
    case 'double':
      return reader.double();
    case 'string':
      return reader.string();
    case 'bytes':
      return reader.bytes();
    case 'message':
      return readFields(reader.bytes(), table?.() ?? {}, path, depth + 1);
  }
}

/** Runs a read, and says where it failed. */
function located<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ProtobufError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProtobufError(`${place}: ${reason}`, { cause: error });
  }
}
