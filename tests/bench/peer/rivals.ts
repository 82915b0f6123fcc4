/** Programs that others have written: openssl, socat, ssh and croc. */
import { sshArgs, startSshd } from "../../e2e/sshd.ts";
import type { TemporaryFiles } from "../../temporary_files.ts";
import { MissingProgram, requireProgram } from "../contender.ts";
import { ADDRESSES, type Contender, type Work } from "./contender.ts";
import { childrenSeconds, End, twoEnds, untilListening } from "./ends.ts";

const PORT = 4433;

/** Makes a certificate, and returns the paths of it and of its key. */
async function makeCertificate(files: TemporaryFiles): Promise<{ cert: string; key: string }> {
  await requireProgram("openssl", "openssl");
  const folder = files.makeFolder("tls");
  const [cert, key] = [`${folder}/cert.pem`, `${folder}/key.pem`];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const args = ["req", "-x509", ...curve, "-subj", "/CN=peer", "-keyout", key, "-out", cert];
  const { success, stderr } = await new Deno.Command("openssl", { args }).output();
  if (!success) throw new Error(`openssl failed: ${new TextDecoder().decode(stderr)}`);
  return { cert, key };
}

const openssl: Contender = {
  name: "openssl s_client",
  kind: "pipe",
  isRival: true,
  prepare: async (files) => {
    const { cert, key } = await makeCertificate(files);
    const server = ["openssl", "s_server", "-quiet", "-naccept", "1", "-accept", `${PORT}`];
    const client = ["openssl", "s_client", "-quiet", "-no_ign_eof", "-nocommands"];
    return async ({ receiver, sender, input, output }) => {
      const files = { input: null, output: output ?? "/dev/null" };
      const end = new End(receiver, [...server, "-cert", cert, "-key", key], files);
      await untilListening(receiver, PORT);
      const to = ["-connect", `${ADDRESSES[0]}:${PORT}`];
      const start = () => new End(sender, [...client, ...to], { input, output: "/dev/null" });
      return await twoEnds(end, start, output);
    };
  },
};

/** Bytes of one read and write; the program's default is 8192, which is slower. */
const SOCAT_BYTES = ["-b", "65536"];

const socat: Contender = {
  name: "socat OPENSSL",
  kind: "pipe",
  isRival: true,
  prepare: async (files) => {
    await requireProgram("socat", "socat");
    const { cert, key } = await makeCertificate(files);
    const listen = `OPENSSL-LISTEN:${PORT},reuseaddr,verify=0,cert=${cert},key=${key}`;
    const to = `OPENSSL:${ADDRESSES[0]}:${PORT},verify=0`;
    return async ({ receiver, sender, input, output }) => {
      const files = { input: "/dev/null", output: output ?? "/dev/null" };
      const end = new End(receiver, ["socat", "-u", ...SOCAT_BYTES, listen, "STDOUT"], files);
      await untilListening(receiver, PORT);
      const command = ["socat", "-u", ...SOCAT_BYTES, "STDIN", to];
      const start = () => new End(sender, command, { input, output: "/dev/null" });
      return await twoEnds(end, start, output);
    };
  },
};

const ssh: Contender = {
  name: "ssh, aes-256-gcm",
  kind: "pipe",
  isRival: true,
  prepare: async (files) => {
    await requireProgram("ssh", "openssh-client");
    await requireProgram("/usr/sbin/sshd", "openssh-server");
    let runs = 0;
    return async ({ receiver, sender, input, output }) => {
      await using cleanup = new AsyncDisposableStack();
      const path = files.makeFolder(`ssh-${runs++}`);
      const server = cleanup.use(
        await startSshd({ path }, {
          address: ADDRESSES[0],
          spawn: (command, args) => receiver.spawn(command, args),
        }),
      );
      const before = await childrenSeconds(server.pid);
      const pidFile = `${path}/pid`;
      const remote = `echo $$ >${pidFile}; exec cat >${output ?? "/dev/null"}`;
      const args = ["-c", "aes256-gcm@openssh.com", ...sshArgs({ path }), ADDRESSES[0], remote];
      const begun = performance.now();
      const end = new End(sender, ["ssh", ...args], { input, output: "/dev/null" });
      cleanup.use(end.process);
      const ended = end.expectSuccess();
      ended.catch(() => {}); // awaited later
      const kept = cleanup.move();
      return {
        begun,
        output,
        ended,
        receiverPid: () => numberIn(pidFile),
        cpuSeconds: async () => end.cpuSeconds + await childrenSeconds(server.pid) - before,
        [Symbol.asyncDispose]: () => kept.disposeAsync(),
      };
    };
  },
};

function numberIn(path: string): number | undefined {
  try {
    return Number(Deno.readTextFileSync(path)) || undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const CROC_PORT = 9009;
/** Round trips of a long path until the relay knows the sender. */
const CROC_WAIT_MS = 5000;
const CROC_SECRET = "4821-peer-bench-secret";

/** Its relay is at the receiver. As both ends know an address of each other, they go without it. */
const croc: Contender = {
  name: "croc",
  kind: "file",
  isRival: true,
  prepare: async () => {
    await requireCroc();
    return async ({ receiver, sender, input, folder }: Work) => {
      await using cleanup = new AsyncDisposableStack();
      const relay = receiver.spawn("croc", ["relay", "--host", ADDRESSES[0]]);
      cleanup.use(relay);
      await untilListening(receiver, CROC_PORT + 4);
      const env = { CROC_SECRET, CROC_CONFIG_DIR: folder, HOME: folder };
      const common = ["croc", "--yes", "--no-compress", "--ignore-stdin", "--disable-clipboard"];
      const to = ["--relay", `${ADDRESSES[0]}:${CROC_PORT}`];
      const nothing = { input: "/dev/null", output: "/dev/null" };
      const waiting = new End(sender, [...common, ...to, "send", input], nothing, env);
      cleanup.use(waiting.process);
      await waiting.waitFor(/On the other computer/);
      // It says so before the relay knows of it, and who comes too early is sent away.
      await new Promise((resolve) => setTimeout(resolve, CROC_WAIT_MS));
      const out = `${folder}/out`;
      Deno.mkdirSync(out);
      const command = [...common, "--overwrite", ...to, "--out", out];
      const begun = performance.now();
      const end = new End(receiver, command, nothing, env);
      cleanup.use(end.process);
      const ended = Promise.all([waiting.expectSuccess(), end.expectSuccess()]).then(() => {});
      ended.catch(() => {}); // awaited later
      const kept = cleanup.move();
      return {
        begun,
        output: `${out}/${input.slice(input.lastIndexOf("/") + 1)}`,
        ended,
        receiverPid: () => end.pid,
        cpuSeconds: () => Promise.resolve(waiting.cpuSeconds + end.cpuSeconds),
        [Symbol.asyncDispose]: () => kept.disposeAsync(),
      };
    };
  },
};

async function requireCroc(): Promise<void> {
  try {
    await requireProgram("croc", "");
  } catch (error) {
    if (!(error instanceof MissingProgram)) throw error;
    throw new MissingProgram("croc is missing: go install github.com/schollz/croc/v10@latest");
  }
}

export const rivals: readonly Contender[] = [openssl, socat, ssh, croc];
