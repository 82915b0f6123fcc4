/** The image of release/container/Dockerfile, built by buildah, with its files run under chroot. */
import assert from "node:assert/strict";
import { missing } from "../../release/here.ts";
import { test } from "../check.ts";
import { builtBinary, outside } from "../e2e/binary.ts";
import { ENV, INNER, pingUntil, startClient } from "../e2e/tunnel.ts";
import { type Host, type Process, twoHosts } from "../netns.ts";

const CONTEXT = new URL("../../release/container/", import.meta.url).pathname;
const PROGRAMS = ["buildah", "debootstrap"];
const ignore = PROGRAMS.some((program) => missing(program, "the container") !== null);

/** debootstrap makes the image that the Dockerfile begins with: no registry is asked for it. */
const BUILD = `
cd "$1"
mkdir base context
debootstrap --variant=minbase bookworm base http://deb.debian.org/debian >log 2>&1 || { tail log >&2; exit 1; }
rm -rf base/dev/*
b() { buildah --root "$PWD/storage" --runroot "$PWD/run" --storage-driver vfs "$@"; }
from=$(b from scratch)
b add --quiet "$from" base / >>log 2>&1
b commit --quiet "$from" docker.io/library/debian:bookworm-slim >>log 2>&1
b rm "$from" >>log 2>&1
cp "$2"* context
cp "$3" context/ttun
b bud --isolation chroot --format docker --pull-never -t ttun context >>log 2>&1 || { tail log >&2; exit 1; }
made=$(b from --pull-never ttun)
b inspect --type image ttun >image.json
b mount "$made"`;

interface Image {
  /** The folder with its files. */
  readonly root: string;
  readonly config: {
    readonly Entrypoint: string[];
    readonly Cmd: string[];
    readonly ExposedPorts: Record<string, unknown>;
    readonly Healthcheck: { readonly Test: string[] };
  };
}

async function build(folder: string): Promise<Image> {
  const { file } = await builtBinary();
  const root = (await outside(BUILD, [folder, CONTEXT, file])).trim();
  const { Docker: { config } } = JSON.parse(await Deno.readTextFile(`${folder}/image.json`));
  return { root, config };
}

/** A command in the image's files, as in a container with a device and CAP_NET_ADMIN. */
function inside(host: Host, root: string, words: readonly string[]): Process {
  const script = `
    mount --bind "$0" "$0"
    mount -t proc proc "$0/proc"
    mount -t tmpfs -o mode=755 tmpfs "$0/dev"
    mkdir "$0/dev/net"
    for n in null zero urandom; do touch "$0/dev/$n"; mount --bind "/dev/$n" "$0/dev/$n"; done
    mknod -m 666 "$0/dev/net/tun" c 10 200
    exec setpriv --bounding-set=-all,+net_admin,+sys_chroot --inh-caps=-all chroot "$0" "$@"`;
  return host.spawn("unshare", ["-m", "sh", "-euc", script, root, ...words], { env: ENV });
}

test({
  name: "container: the image is built as its file says, serves a client, is healthy, and ends",
  ignore,
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "ttun-test-" });
    try {
      const { root, config } = await build(folder);
      assert.deepEqual(config.Entrypoint, ["/usr/bin/ttun"]);
      assert.deepEqual(Object.keys(config.ExposedPorts), ["20203/tcp"]);
      const [how, ...health] = config.Healthcheck.Test;
      assert.equal(how, "CMD");
      await using hosts = await twoHosts();
      await using before = inside(hosts.server, root, health);
      assert.notEqual((await before.status).code, 0, "it is not healthy while nothing runs");
      const words = [...config.Entrypoint, ...config.Cmd, "-v"];
      await using server = inside(hosts.server, root, words);
      await server.waitFor(/listening/, 60_000);
      assert.match(server.output, /aead="native \(OpenSSL/, "libssl3 is of use");
      await using _client = await startClient(hosts.client);
      await pingUntil(hosts.client, INNER.server4, 10_000);
      await using healthy = inside(hosts.server, root, health);
      assert.equal((await healthy.status).code, 0, healthy.output);
      await using programs = inside(hosts.server, root, ["sh", "-euc", "ip -V; nft --version"]);
      assert.equal((await programs.status).code, 0, programs.output);
      server.signal("SIGTERM");
      assert.equal((await server.status).code, 0, server.output);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
