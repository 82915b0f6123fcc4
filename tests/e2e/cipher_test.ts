/** `--cipher auto`: what both ends have measured decides, from the second session on. */
import { test } from "../check.ts";
import { endWell, listensAt, PERMIT, spawnTtun, startServer, until } from "./forward_pair.ts";
import { makeFolder } from "./proxy_files.ts";

/** Ciphers in the order of the file's columns. */
const COLUMNS = ["chacha20-poly1305", "aes-256-gcm"];

test("--cipher auto: ciphers are measured after the first handshake, and decide with the next one", async () => {
  await using folder = await makeFolder();
  await using stack = new AsyncDisposableStack();
  const stateOf = (end: string) => ({ STATE_DIRECTORY: `${folder.path}/${end}` });
  const server = stack.adopt(await startServer({ args: PERMIT, env: stateOf("server") }), endWell);
  const lineOf = (end: string) => {
    try {
      return Deno.readTextFileSync(`${folder.path}/${end}/cipher-speeds`).trim();
    } catch {
      return "";
    }
  };
  const connect = (end: string) =>
    stack.adopt(
      spawnTtun(["client", "-s", listensAt(server), "-N"], { env: stateOf(end) }),
      endWell,
    );
  const first = connect("client");
  await first.waitFor(/ authenticated .* cipher=chacha20-poly1305 cipher_by="the server's order"/);
  const isMeasured = () => lineOf("server") !== "" && lineOf("client") !== "";
  await until(isMeasured, () => "nothing is measured", 30_000);
  const costs = ["server", "client"].map((end) => lineOf(end).split("\t").slice(1).map(Number));
  const slower = COLUMNS.map((_, i) => Math.max(...costs.map((columns) => columns[i]!)));
  const best = slower[1]! < slower[0]! ? COLUMNS[1] : COLUMNS[0];
  const told = `cipher=${best} cipher_by="the speeds of both ends"`;
  await connect("client").waitFor(new RegExp(` authenticated .* ${told}`));
  await server.waitFor(new RegExp(` authenticated [^]* authenticated .* cipher=${best} `));
});
