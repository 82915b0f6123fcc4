import { TtunError } from "../../src/base/errors.ts";
import type {
  FileAttributes,
  FoundFile,
  PartFile,
  ReadableFile,
  SourceFile,
  TargetFolder,
} from "../../src/contract/files.ts";
import { ManifestBuilder } from "../../src/core/transfer/manifest.ts";
import type { Entry } from "../../src/core/transfer/entry.ts";

const ATTRIBUTES = { mode: 0o644, modified: { seconds: 1_700_000_000, nanoseconds: 5 } };

/** Files by their names that are to be sent; null = a folder. */
export class MemorySources {
  readonly manifest;
  readonly #entries: Entry[];
  readonly #files: Record<string, Uint8Array | null>;
  /** Names of files that were changed after they were listed, once so many bytes were read. */
  readonly changed = new Map<string, number>();
  /** Files that are open. */
  open = 0;
  /** Bytes that were read of each. */
  readonly read: Record<string, number> = {};

  constructor(files: Record<string, Uint8Array | null>) {
    this.#files = files;
    this.#entries = Object.entries(files).map(([name, bytes]) => ({
      kind: bytes === null ? "folder" : "file",
      name,
      size: bytes?.length ?? 0,
      ...ATTRIBUTES,
    }));
    const builder = new ManifestBuilder();
    for (const entry of this.#entries) builder.add(entry);
    this.manifest = builder.build();
  }

  readonly openFile = (index: number): SourceFile => {
    const { name } = this.#entries[index]!;
    const bytes = this.#files[name]!;
    this.open++;
    this.read[name] = 0;
    const limit = this.changed.get(name) ?? Infinity;
    return {
      read: (at, into) => {
        const got = bytes.subarray(at, at + into.length);
        into.set(got);
        this.read[name]! += got.length;
        return got.length;
      },
      isUnchanged: () => this.read[name]! <= limit,
      [Symbol.dispose]: () => void this.open--,
    };
  };
}

/** A folder in memory: what is complete, and what is not. */
export class MemoryFolder implements TargetFolder {
  readonly files = new Map<string, Uint8Array>();
  readonly parts = new Map<string, Uint8Array>();
  readonly folders = new Set<string>();
  readonly finished: string[] = [];
  readonly attributes = new Map<string, FileAttributes>();
  free = 1e12;
  /** Parts and files that are open. */
  open_ = 0;
  /** Files that cannot be opened, with the failure. */
  readonly shut = new Map<string, TtunError>();
  /** Files of which no byte can be written, with the failure. */
  readonly broken = new Map<string, TtunError>();

  freeBytes(): number {
    return this.free;
  }

  look(name: string): FoundFile | null {
    if (this.folders.has(name)) return { kind: "folder", size: 0 };
    const file = this.files.get(name);
    return file === undefined ? null : { kind: "file", size: file.length };
  }

  partSize(name: string): number {
    return this.parts.get(name)?.length ?? 0;
  }

  makeFolder(name: string): void {
    if (this.files.has(name)) throw new TtunError("usage", `Cannot make the folder ${name}`);
    this.folders.add(name);
  }

  openPart(name: string): PartFile {
    const shut = this.shut.get(name);
    if (shut !== undefined) throw shut;
    let bytes = this.parts.get(name) ?? new Uint8Array();
    this.open_++;
    let isOpen = true;
    const close = () => {
      if (isOpen) this.open_--;
      isOpen = false;
    };
    return {
      size: bytes.length,
      read: (at, into) => readInto(bytes, at, into),
      write: (at, more) => {
        const broken = this.broken.get(name);
        if (broken !== undefined) throw broken;
        if (at + more.length > bytes.length) {
          const longer = new Uint8Array(at + more.length);
          longer.set(bytes);
          bytes = longer;
        }
        bytes.set(more, at);
        this.parts.set(name, bytes);
      },
      truncate: (size) => {
        if (size >= bytes.length) return;
        bytes = bytes.slice(0, size);
        this.parts.set(name, bytes);
      },
      commit: (attributes, overwrite) => {
        if (this.files.has(name) && !overwrite) {
          return Promise.reject(new TtunError("usage", `Cannot write ${name}: it is there`));
        }
        this.files.set(name, bytes);
        this.attributes.set(name, { mode: attributes.mode, modified: attributes.modified });
        this.parts.delete(name);
        close();
        return Promise.resolve();
      },
      discard: () => {
        this.parts.delete(name);
        close();
      },
      [Symbol.dispose]: close,
    };
  }

  open(name: string): ReadableFile {
    const bytes = this.files.get(name)!;
    this.open_++;
    return {
      read: (at, into) => readInto(bytes, at, into),
      [Symbol.dispose]: () => void this.open_--,
    };
  }

  finishFolder(name: string): void {
    this.finished.push(name);
  }

  [Symbol.dispose](): void {}
}

function readInto(bytes: Uint8Array, at: number, into: Uint8Array): number {
  const got = bytes.subarray(at, at + into.length);
  into.set(got);
  return got.length;
}
