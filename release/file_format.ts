/** Kind of an executable, read from its first bytes. */
export interface FileFormat {
  readonly format: "ELF" | "Mach-O" | "PE";
  /** The number where it is none that ttun is built for. */
  readonly machine: "x64" | "arm64" | number;
}

/** How many bytes of a file `fileFormat` must see. */
export const FORMAT_BYTES = 4096;

const ELF_MACHINES: Readonly<Record<number, "x64" | "arm64">> = { 0x3e: "x64", 0xb7: "arm64" };
const MACH_MACHINES: Readonly<Record<number, "x64" | "arm64">> = {
  0x0100_0007: "x64",
  0x0100_000c: "arm64",
};
const PE_MACHINES: Readonly<Record<number, "x64" | "arm64">> = { 0x8664: "x64", 0xaa64: "arm64" };

/** null when the bytes are the beginning of no executable of 64 bits. */
export function fileFormat(bytes: Uint8Array): FileFormat | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 64) return null;
  // elf(5): magic, class 2 = 64 bits, data 1 = little-endian, e_machine at 18.
  if (view.getUint32(0) === 0x7f45_4c46) {
    if (bytes[4] !== 2 || bytes[5] !== 1) return null;
    const machine = view.getUint16(18, true);
    return { format: "ELF", machine: ELF_MACHINES[machine] ?? machine };
  }
  // mach-o/loader.h: MH_MAGIC_64, cputype at 4.
  if (view.getUint32(0, true) === 0xfeed_facf) {
    const machine = view.getUint32(4, true);
    return { format: "Mach-O", machine: MACH_MACHINES[machine] ?? machine };
  }
  // PE format: "MZ", e_lfanew at 0x3c, there "PE\0\0" and the machine behind it.
  if (view.getUint16(0) !== 0x4d5a) return null;
  const at = view.getUint32(0x3c, true);
  if (at + 6 > bytes.length || view.getUint32(at) !== 0x5045_0000) return null;
  const machine = view.getUint16(at + 4, true);
  return { format: "PE", machine: PE_MACHINES[machine] ?? machine };
}
