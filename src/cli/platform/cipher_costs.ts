import { utf8 } from "../../base/bytes.ts";
import type { Clock } from "../../contract/host.ts";
import { CIPHER_NAMES, type CipherName } from "../../contract/cipher.ts";
import { measureCipher } from "../../core/cipher/cost.ts";
import type { CipherCosts } from "../../core/link/v2/cipher_choice.ts";
import type { ChosenCiphers } from "./choose_cipher.ts";
import { whyNotOurs } from "./folders.ts";
import { isGranted } from "./permissions.ts";
import { mayKeepState, readState, stateDirectory, writeState } from "./state_file.ts";

/** Lines of a label and the costs of all ciphers in their order, separated by tabs. */
const FILE = "cipher-speeds";
const MOST_BYTES = 16 * 1024;

/** Milliseconds after the first handshake has begun: it waits for nothing. */
const MEASURE_MS = 5_000;

/** Costs of this machine's ciphers for `--cipher auto`. */
export interface KnownCosts extends Disposable {
  /** For a handshake, after the first of which they are measured. Undefined until they are known. */
  readonly costs: () => CipherCosts | undefined;
}

/**
 * Takes the costs from the state directory, or measures them once, a while after a handshake first
 * asks for them. They are kept by processor, implementation and versions.
 */
export function knownCosts(ciphers: ChosenCiphers, clock: Clock): KnownCosts {
  const found = stateDirectory();
  const directory = found !== null && mayKeepState(found) ? found : null;
  const label = [cpuModel(), Deno.version.deno, ciphers.name, ciphers.detail]
    .map((text) => text.replace(/\s+/g, " ")).join(", ");
  const text = directory === null ? "" : readState(directory, FILE, MOST_BYTES);
  let costs = parseCosts(text, label);
  const owned = new DisposableStack();
  let isMeasured = costs !== undefined;
  // It is opened now: permissions and privileges are given up before there is something to write.
  const file = isMeasured || directory === null ? null : openFile(directory, text);
  if (file !== null) owned.defer(() => file.close());
  const measureLater = () => {
    isMeasured = true;
    owned.use(clock.after(MEASURE_MS, () => {
      const measured = CIPHER_NAMES.map((name) => {
        return [name, measureCipher(ciphers.factory, name, () => performance.now())] as const;
      });
      costs = Object.fromEntries(measured) as Record<CipherName, number>;
      if (file !== null) keepLine(file, [label, ...measured.map(([, cost]) => cost)].join("\t"));
    }));
  };
  return {
    costs: () => {
      if (!isMeasured && !owned.disposed) measureLater();
      return costs;
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** Returns null where nothing can be kept: the costs are measured again then. */
function openFile(directory: string, text: string): Deno.FsFile | null {
  try {
    if (whyNotOurs(directory) !== null) return null;
    if (text.length > MOST_BYTES / 2) writeState(directory, FILE, "");
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    return Deno.openSync(`${directory}/${FILE}`, { append: true, create: true, mode: 0o600 });
  } catch (error) {
    if (error instanceof Error) return null;
    throw error;
  }
}

/** Drops a line that cannot be written, as on a full disk: the next start measures again. */
export function keepLine(file: Pick<Deno.FsFile, "writeSync">, line: string): void {
  try {
    file.writeSync(utf8(`${line}\n`));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
}

/** Returns the costs of the last line with this label; undefined = there is none that is right. */
export function parseCosts(text: string, label: string): CipherCosts | undefined {
  const line = text.split("\n").findLast((line) => line.startsWith(`${label}\t`));
  const costs = line?.split("\t").slice(1).map(Number);
  const isRight = costs?.length === CIPHER_NAMES.length &&
    costs.every((cost) => Number.isInteger(cost) && cost > 0);
  if (!isRight) return undefined;
  return Object.fromEntries(CIPHER_NAMES.map((name, i) => [name, costs[i]!]));
}

function cpuModel(): string {
  if (Deno.build.os === "linux" && isGranted({ name: "read", path: "/proc/cpuinfo" })) {
    try {
      const model = /^model name\s*:\s*(.+)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1];
      if (model !== undefined) return model;
    } catch (error) {
      if (!(error instanceof Error)) throw error; // not every system tells it
    }
  }
  return Deno.build.arch;
}
