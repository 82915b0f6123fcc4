import assert from "node:assert/strict";
import { test } from "../check.ts";
import { gatewayLab, type Lab } from "./mesh_gateway_lab.ts";

test("a folder is published: its files, and nothing beside or hidden in it", async () => {
  await using lab = await gatewayLab();
  const { host, data } = lab.one;
  await host.sh(`
    mkdir -p ${data}-site/docs ${data}-site/.git ${data}-site/bare
    cd ${data}-site
    printf 'hello world' > hello.txt
    printf '<p>docs' > docs/index.html
    printf secret > .git/config
    printf secret > ../outside
    ln -s ../outside leak; ln -s /etc etc
    touch bare/one
    head -c 5000000 /dev/urandom > big.bin`);
  await lab.enroll("laptop", "*");
  const folder = `${data}-site`;
  await using _agent = await lab.publish("laptop", `site=${folder} rpc=8080`);
  const site = async (path: string, ...args: string[]) => await lab.curl("site", path, ...args);
  assert.equal(await site("/hello.txt"), "hello world");
  assert.equal(await site("/hello.txt", "-r", "6-"), "world");
  const head = await site("/hello.txt", "-I");
  assert.match(head, /^content-type: text\/plain; charset=utf-8\r$/mi);
  assert.match(head, /^content-length: 11\r$/mi);
  const [, etag] = /^etag: (\S+)\r$/mi.exec(head)!;
  const code = ["-o", "/dev/null", "-w", "%{http_code} %{redirect_url}"];
  assert.equal(await site("/hello.txt", "-H", `If-None-Match: ${etag}`, ...code), "304 ");
  assert.equal(await site("/hello.txt", "-d", "x", ...code), "405 ");
  assert.match(
    await site("/docs?x", ...code),
    /^301 https:\/\/site\.example\.test:8443\/docs\/\?x$/,
  );
  assert.equal(await site("/docs/"), "<p>docs");
  const absent = [
    "/.git/config",
    "/leak",
    "/etc/passwd",
    "/../outside",
    "/%2e%2e/outside",
    "/bare/",
  ];
  for (const path of absent) {
    assert.equal(await site(path, "--path-as-is", ...code), "404 ", path);
  }
  const sum = `sha256sum | cut -d' ' -f1`;
  const sent = await host.sh(`${sum} < ${folder}/big.bin`);
  for (const version of ["--http1.1", "--http2"]) {
    await site("/big.bin", version, "-o", `${data}-got`);
    assert.equal(await host.sh(`${sum} < ${data}-got`), sent);
  }
  await listsNames(lab);
});

async function listsNames(lab: Lab): Promise<void> {
  const { host, data } = lab.one;
  await host.sh(`mkdir ${data}-list; cd ${data}-list; touch .hidden 'a&b'; ln -s /etc out`);
  await using _agent = await lab.publish("laptop", `${data}-list --name list --list`);
  const page = await lab.curl("list", "/");
  assert.match(page, /<li><a href="\.\/a%26b">a&amp;b<\/a><\/li>/);
  assert.doesNotMatch(page, /hidden|out/);
  const none = await lab.agent("laptop", "publish /nonexistent --name none");
  assert.match(none.stderr, /Cannot publish the folder \/nonexistent: it is not there/);
  assert.equal(none.code, 2);
}
