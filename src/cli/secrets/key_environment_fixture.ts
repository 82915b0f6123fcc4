/** For tests of secrets: an environment with files, variables and somebody who types. */
import { TtunError } from "../../base/errors.ts";
import type { KeyEnvironment, KeyFile } from "./key_environment.ts";

export interface FakeFile {
  content: string | Uint8Array;
  mode?: number | null;
  /** Default: the user that ttun runs as. */
  owner?: number;
  /** True if the user may not read it. */
  isClosed?: boolean;
  isDirectory?: boolean;
}

export interface Fake {
  env?: Record<string, string>;
  files?: Record<string, FakeFile>;
  /** Home directories by user. */
  homes?: Record<string, string>;
  stdin?: string;
  typed?: string;
}

/** User that ttun runs as. */
export const OWN_UID = 1000;

/** Records the amount read and the open files, to check that reads are bounded and files closed. */
export class FakeKeyEnvironment implements KeyEnvironment {
  readonly env: KeyEnvironment["env"];
  readonly stdin: KeyEnvironment["stdin"];
  readonly terminal: KeyEnvironment["terminal"];
  readonly forgotten: string[] = [];
  readonly #files: Record<string, FakeFile>;
  readonly #homes: Record<string, string>;
  openFiles = 0;
  bytesRead = 0;

  constructor(fake: Fake) {
    this.#files = fake.files ?? {};
    this.#homes = fake.homes ?? {};
    this.env = {
      get: (name) => fake.env?.[name],
      forget: (name) => this.forgotten.push(name),
    };
    this.stdin = { read: reader(fake.stdin ?? "", () => {}) };
    const read = reader(fake.typed ?? "", () => {});
    this.terminal = {
      isTerminal: () => fake.typed !== undefined,
      setRaw: () => {},
      read,
      write: () => {},
    };
  }

  mayRead(_path: string): boolean {
    return true;
  }

  isFile(path: string): boolean {
    return this.#files[path] !== undefined && this.#files[path].isDirectory !== true;
  }

  homeOf(user: string): string | undefined {
    return this.#homes[user];
  }

  owners(): ReadonlySet<number> {
    return new Set([0, OWN_UID]);
  }

  open(path: string, _kind: string): Promise<KeyFile | undefined> {
    const file = this.#files[path];
    if (file === undefined) return Promise.resolve(undefined);
    if (file.isClosed === true) {
      return Promise.reject(new TtunError("privilege", `Cannot read ${path}: not allowed`));
    }
    this.openFiles += 1;
    return Promise.resolve({
      info: () =>
        Promise.resolve({
          isDirectory: file.isDirectory ?? false,
          mode: file.mode === undefined ? 0o100600 : file.mode,
          owner: file.owner ?? OWN_UID,
        }),
      read: reader(file.content, (count) => this.bytesRead += count),
      [Symbol.dispose]: () => {
        this.openFiles -= 1;
      },
    });
  }
}

/** Returns at most 1000 bytes per read, like a pipe. */
function reader(content: string | Uint8Array, onRead: (count: number) => void) {
  let rest = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return (into: Uint8Array): Promise<number | null> => {
    const part = rest.subarray(0, Math.min(into.length, 1000));
    into.set(part);
    rest = rest.subarray(part.length);
    onRead(part.length);
    return Promise.resolve(part.length === 0 ? null : part.length);
  };
}
