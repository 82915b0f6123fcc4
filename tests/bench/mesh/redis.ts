import { UNPACKED } from "../../runner/extras.ts";
import type { StoreContender } from "./contender.ts";
import { until } from "./until.ts";

const PORT = 6379;

/** Debian's package names the server by a symbolic link to this file, in a package of its own. */
const SERVER = `${UNPACKED}/redis-tools/usr/bin/redis-check-rdb`;

const LIBRARIES = ["libjemalloc2", "liblzf1"]
  .map((name) => `${UNPACKED}/${name}/usr/lib/${Deno.build.arch}-linux-gnu`).join(":");

/** Debian's Redis 7, which has no HTTP: by its own protocol, over connections of the same client. */
export const redis: StoreContender = {
  name: "Redis 7, appendfsync always",
  promises: {
    "soft get": "as its durable get",
    "soft put": "as its durable put",
    "durable get": "linearizable, of one process",
    "durable put": "on one disk, synced before the answer",
    "strong get": "linearizable, of one process",
    "strong put": "on one disk, synced before the answer",
  },
  async start(host, folder) {
    const program = `${folder}/redis-server`;
    await Deno.symlink(SERVER, program);
    const process = host.spawn(program, [
      ...["--port", `${PORT}`, "--bind", "127.0.0.1", "--dir", folder, "--save", ""],
      ...["--appendonly", "yes", "--appendfsync", "always", "--set-proc-title", "no"],
    ], { env: { LD_LIBRARY_PATH: LIBRARIES } });
    await until("Redis takes connections", async () => {
      return (await host.run("nc", ["-z", "127.0.0.1", `${PORT}`])).code === 0;
    });
    return {
      ends: [{ process, program }],
      at: { protocol: "redis", hostname: "127.0.0.1", port: PORT, token: "" },
    };
  },
};
