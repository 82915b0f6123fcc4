import assert from "node:assert/strict";
import { test } from "../check.ts";
import { makeCertificate, makeFolder } from "./proxy_files.ts";
import { openPair, spawnHere } from "./proxy_pair.ts";
import { hasProgram } from "./proxy_targets.ts";
import { serveWeb } from "./proxy_web.ts";

const PARTS = 100;
const PATIENCE_MS = 20_000;

const hasChromium = await hasProgram("chromium");
if (!hasChromium) console.log("Skipped what needs a browser: chromium is not installed");

for (const scheme of ["socks5", "http"]) {
  const name =
    `chromium by --proxy-server=${scheme}://…: a page of ${PARTS} parts and a WebSocket, with and without TLS`;
  test({
    name,
    ignore: !hasChromium,
    fn: async () => {
      await using folder = await makeFolder();
      await using web = serveWeb();
      await using safe = serveWeb(await makeCertificate(folder));
      await using pair = await openPair();
      for (
        const [target, origin] of [[web, `http://${web.at}`], [safe, `https://${safe.at}`]] as const
      ) {
        await using chromium = spawnHere("unshare", [
          // A namespace of processes: none of the many outlives the first.
          ...["--pid", "--fork", "--kill-child", "--mount-proc", "--", "chromium"],
          ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
          ...["--no-first-run", "--disable-background-networking", "--disable-component-update"],
          ...[`--user-data-dir=${folder.path}/${target.port}`, "--ignore-certificate-errors"],
          // Without that it would go to loopback itself.
          ...[`--proxy-server=${scheme}://${pair.proxy}`, "--proxy-bypass-list=<-loopback>"],
          `${origin}/page/${PARTS}`,
        ], { env: { TMPDIR: folder.path } });
        const { promise: late, resolve: giveUp } = Promise.withResolvers<string>();
        const timer = setTimeout(() => giveUp("late"), PATIENCE_MS);
        const ended = chromium.closed.then(() => "ended");
        const told = await Promise.race([target.asked("/told/"), ended, late]);
        clearTimeout(timer);
        chromium.signal("SIGKILL"); // of unshare, which takes all with it
        assert.equal(told, `/told/${PARTS}/repeated`, chromium.output);
      }
      for (const { seen } of [web, safe]) {
        const parts = seen.filter(({ path }) => path.startsWith("/part/"));
        assert.equal(new Set(parts.map(({ path }) => path)).size, PARTS);
      }
      const targets = pair.server.output.match(/ connect .*target=127\.0\.0\.1:\d+/g) ?? [];
      assert(targets.some((line) => line.endsWith(`:${web.port}`)));
      assert(targets.some((line) => line.endsWith(`:${safe.port}`)));
    },
  });
}
