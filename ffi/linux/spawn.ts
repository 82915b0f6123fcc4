import { utf8 } from "../../src/base/bytes.ts";
import { type Library, LINUX_LIBC, openLibrary } from "../library.ts";
import { check, cString } from "../native.ts";
import { PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL } from "./capabilities.ts";
import type { Libc } from "./libc.ts";
import { POINTER_SIZE, strings } from "./string_array.ts";

/** These return an errno themselves, and leave the variable alone. */
const SPAWN_TABLE = {
  posix_spawn: {
    parameters: ["buffer", "buffer", "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  posix_spawn_file_actions_init: { parameters: ["buffer"], result: "i32" },
  posix_spawn_file_actions_adddup2: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  posix_spawn_file_actions_destroy: { parameters: ["buffer"], result: "i32" },
  posix_spawnattr_init: { parameters: ["buffer"], result: "i32" },
  posix_spawnattr_setflags: { parameters: ["buffer", "i16"], result: "i32" },
  posix_spawnattr_setsigdefault: { parameters: ["buffer", "buffer"], result: "i32" },
  posix_spawnattr_setsigmask: { parameters: ["buffer", "buffer"], result: "i32" },
  posix_spawnattr_destroy: { parameters: ["buffer"], result: "i32" },
  close_range: { parameters: ["u32", "u32", "i32"], result: "i32", optional: true },
  environ: { type: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Constants of spawn.h, signal.h, linux/close_range.h and sys/ioctl.h. */
const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;
const SIGPIPE = 13;
const CLOSE_RANGE_CLOEXEC = 4;
const FIOCLEX = 0x5451n;

/** Bytes: more than sizeof(posix_spawn_file_actions_t), posix_spawnattr_t of glibc and musl. */
const STRUCT_ROOM = 512;
const SIGSET_SIZE = 128;

/** The first descriptor that is none of the standard ones, and the last that may be inherited. */
const FIRST_OTHER = 3;
const LAST_OTHER = 65_535;

const SHELL = "/bin/sh";

/** Descriptors of the new process, which must be blocking. */
export interface ProgramFiles {
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
}

export interface ProgramOptions {
  readonly path: string;
  /** The program's name comes first. */
  readonly argv: readonly Uint8Array[];
  /** Variables whose name begins with one of these are left out of the environment. */
  readonly withoutVariables: readonly string[];
  /** Without them it has what its user has alone, as a program of another author should. */
  readonly keepsAmbientCapabilities: boolean;
}

/** A line of shell. @throws {TtunError} system, if the C library has no posix_spawn */
export function shellCommand(
  libc: Libc,
  line: string,
  o: Pick<ProgramOptions, "withoutVariables">,
): Program {
  const argv = ["sh", "-c", line].map((text) => utf8(text));
  return new Program(libc, { ...o, path: SHELL, argv, keepsAmbientCapabilities: false });
}

/**
 * A program, ready to be run by posix_spawn. All memory that it points to is laid out at the
 * beginning, as that takes permissions which a process gives up.
 */
export class Program implements Disposable {
  readonly #libc: Libc;
  readonly #library: Library<typeof SPAWN_TABLE>;
  readonly #path: Uint8Array<ArrayBuffer>;
  readonly #argv: Uint8Array<ArrayBuffer>;
  readonly #environment: Uint8Array<ArrayBuffer>;
  readonly #keepsAmbientCapabilities: boolean;

  /**
   * Descriptors that others left open for this process go to no program that it starts from now on.
   */
  constructor(libc: Libc, o: ProgramOptions) {
    this.#libc = libc;
    this.#library = openLibrary(LINUX_LIBC, SPAWN_TABLE);
    libc.openRare();
    const { close_range, environ } = this.#library.symbols;
    this.#path = cString(o.path);
    this.#argv = strings(o.argv);
    this.#environment = pointers(environment(environ, o.withoutVariables));
    this.#keepsAmbientCapabilities = o.keepsAmbientCapabilities;
    if (close_range?.(FIRST_OTHER, 0xffff_ffff, CLOSE_RANGE_CLOEXEC) === 0) return;
    // Linux before 5.11
    for (let fd = FIRST_OTHER; fd <= LAST_OTHER; fd++) libc.ioctl(fd, FIOCLEX, new Uint8Array(4));
  }

  /**
   * Starts it in a session, and so a process group, of its own, without a terminal, blocked or
   * ignored signals, and descriptors above 2. Returns its pid.
   * @throws {NativeError} ENOENT without the program, EAGAIN, ENOMEM, E2BIG
   */
  run({ stdin, stdout, stderr }: ProgramFiles): number {
    const symbols = this.#library.symbols;
    if (!this.#keepsAmbientCapabilities) {
      // This thread's alone; no other capability outlives the exec of a user who is not root.
      this.#libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
    }
    const actions = new Uint8Array(STRUCT_ROOM);
    const attributes = new Uint8Array(STRUCT_ROOM);
    using undo = new DisposableStack();
    verify("posix_spawn_file_actions_init", symbols.posix_spawn_file_actions_init(actions));
    undo.defer(() => void symbols.posix_spawn_file_actions_destroy(actions));
    for (const [fd, as] of [[stdin, 0], [stdout, 1], [stderr, 2]] as const) {
      verify("adddup2", symbols.posix_spawn_file_actions_adddup2(actions, fd, as));
    }
    verify("posix_spawnattr_init", symbols.posix_spawnattr_init(attributes));
    undo.defer(() => void symbols.posix_spawnattr_destroy(attributes));
    const flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID;
    verify("setflags", symbols.posix_spawnattr_setflags(attributes, flags));
    symbols.posix_spawnattr_setsigdefault(attributes, signalSet(SIGPIPE)); // Deno ignores it
    symbols.posix_spawnattr_setsigmask(attributes, signalSet());
    const pid = new Int32Array(1);
    const result = symbols.posix_spawn(
      new Uint8Array(pid.buffer),
      this.#path,
      actions,
      attributes,
      this.#argv,
      this.#environment,
    );
    verify("posix_spawn", result);
    return pid[0]!;
  }

  [Symbol.dispose](): void {
    this.#library[Symbol.dispose]();
  }
}

/** @throws {NativeError} */
function verify(call: string, errno: number): void {
  check(call, -errno);
}

/** struct sigset_t: bit n - 1 for signal n. */
function signalSet(...signals: number[]): Uint8Array<ArrayBuffer> {
  const set = new Uint8Array(SIGSET_SIZE);
  for (const signal of signals) set[(signal - 1) >> 3]! |= 1 << ((signal - 1) & 7);
  return set;
}

function pointers(all: readonly Deno.PointerValue[]): Uint8Array<ArrayBuffer> {
  const values = new BigUint64Array(all.length + 1);
  for (const [i, pointer] of all.entries()) values[i] = Deno.UnsafePointer.value(pointer);
  return new Uint8Array(values.buffer);
}

/** This process's own strings, but for some. `variable`: where the C library keeps them. */
function environment(variable: Deno.PointerValue, without: readonly string[]): Deno.PointerValue[] {
  const kept: Deno.PointerValue[] = [];
  const environ = variable === null ? null : new Deno.UnsafePointerView(variable).getPointer();
  if (environ === null) return kept;
  const view = new Deno.UnsafePointerView(environ);
  for (let at = 0;; at += POINTER_SIZE) {
    const entry = view.getPointer(at);
    if (entry === null) return kept;
    const text = Deno.UnsafePointerView.getCString(entry);
    if (!without.some((begin) => text.startsWith(begin))) kept.push(entry);
  }
}
