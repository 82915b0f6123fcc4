import assert from "node:assert/strict";
import { test } from "../check.ts";
import { Tmux, whyNoTmux } from "../tmux.ts";
import { ENV, listensAt, PERMIT, startServer, ttunCommand } from "./forward_pair.ts";
import { makeFolder } from "./proxy_files.ts";
import { serveWeb } from "./proxy_web.ts";

const WHY_NOT = await whyNoTmux();
if (WHY_NOT !== null) console.log(`No test of the live line: ${WHY_NOT}`);

const ROWS = 24;

const isLive = (row: string) => row.includes("↑");
const lives = (rows: readonly string[]) => rows.filter(isLive);

/** The line is the last one, in one row, and there is no other. */
const isBelow = (rows: readonly string[]) =>
  lives(rows).length === 1 && isLive(rows.at(-1)!) && rows.at(-1)!.includes("↓");

async function openTerminal(folder: string, ...client: string[]) {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startServer({ args: PERMIT }));
  const tmux = stack.use(await Tmux.open(folder, { columns: 80, rows: ROWS, env: ENV }));
  const [command, args] = ttunCommand("client", "-s", listensAt(server), ...client);
  // Without a prompt before it: the lines of the test are not the shell's.
  await tmux.type(`clear; ${[command, ...args].join(" ")}`);
  const owned = stack.move();
  return { tmux, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

test({
  name: "live line: below the log at 80, 40 and 200 columns, away with Ctrl-Z and at the end",
  ignore: WHY_NOT !== null,
  async fn() {
    await using folder = await makeFolder();
    await using web = serveWeb();
    const forward = `0:${web.at}`;
    await using terminal = await openTerminal(folder.path, "-L", forward, "--no-warm-up");
    const { tmux } = terminal;
    const usual = await tmux.until(
      (rows) => isBelow(rows) && rows.at(-1)!.includes(" rtt "),
      "no live line",
    );
    assert.match(usual.at(-1)!, /^127\.0\.0\.1:\d+ {2}↑ 0 B\/s +▁{6} {2}↓ 0 B\/s +▁{6} {2}rtt /);
    assert(usual.some((row) => / authenticated /.test(row)), usual.join("\n"));
    const log = usual.join("");
    const port = /forward {2}listen="?127\.0\.0\.1:(\d+)/.exec(log)?.[1];
    assert(port !== undefined, log);
    await tmux.resize(40, ROWS);
    const narrow = await tmux.until(
      (rows) => isBelow(rows) && rows.at(-1)!.length < 40,
      "no live line at 40 columns",
    );
    assert.match(narrow.at(-1)!, /^127\.0\.0\.1:?\d*… {2}↑ /);
    await tmux.resize(200, ROWS);
    const wide = await tmux.until(
      (rows) => isBelow(rows) && rows.at(-1)!.length > 130,
      "no live line at 200 columns",
    );
    assert.match(
      wide.at(-1)!,
      / {2}sent .* {2}received .* {2}rtt .* ms {2}0 open {2}tcp v2 {2}\S+ \((native|node|pure)\) {2}up /,
    );
    const logged = wide.filter((row) => / authenticated /.test(row)).length;
    await (await fetch(`http://127.0.0.1:${port}/bulk/${3 << 20}`)).body!.cancel();
    await tmux.until(
      (rows) => /received [1-9]\S* [kM]B/.test(rows.at(-1)!),
      "no bytes are counted",
    );
    await tmux.press("C-z");
    await tmux.until(
      (rows) => lives(rows).length === 0 && rows.some((row) => /Stopped/.test(row)),
      "it does not stop",
    );
    await tmux.type("fg");
    const again = await tmux.until(isBelow, "no live line after fg");
    assert.equal(again.filter((row) => / authenticated /.test(row)).length, logged);
    await tmux.press("C-z");
    await tmux.until((rows) => rows.filter((row) => /Stopped/.test(row)).length === 2, "no stop");
    await tmux.type("bg; sleep 2.5; echo still $((6 * 7))");
    const background = await tmux.until(
      (rows) => rows.some((row) => row === "still 42"),
      "the shell is gone",
    );
    assert.equal(lives(background).length, 0, background.join("\n"));
    await tmux.type("fg");
    await tmux.until(isBelow, "no live line after bg and fg");
    await tmux.press("C-c");
    const end = await tmux.until((rows) => rows.at(-1)!.endsWith("$"), "it does not end");
    assert.equal(lives(end).length, 0, end.join("\n"));
  },
});

test({
  name: "live line: --no-live and a log of JSON leave it out",
  ignore: WHY_NOT !== null,
  async fn() {
    await using folder = await makeFolder();
    const ways = [["--no-live"], ["--log-format", "json"]];
    for (const way of ways) {
      await using terminal = await openTerminal(folder.path, "-N", "--no-warm-up", ...way);
      const { tmux } = terminal;
      await tmux.until((rows) => rows.some((row) => /authenticated/.test(row)), "no session");
      await new Promise((resolve) => setTimeout(resolve, 1500));
      const rows = await tmux.rows();
      assert.equal(lives(rows).length, 0, rows.join("\n"));
      await tmux.press("C-c");
      await tmux.until((rows) => rows.at(-1)!.endsWith("$"), "it does not end");
    }
  },
});
