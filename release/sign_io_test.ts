import assert from "node:assert/strict";
import { missing } from "./here.ts";
import { installer } from "./installer.ts";
import { sign, verify } from "./sign.ts";

const SIGN = new URL("sign.ts", import.meta.url).pathname;

Deno.test("install.sh takes one public key of its kind, and nothing that a shell would read", async () => {
  const key = `ssh-ed25519 ${"A".repeat(68)}`;
  assert.match(await installer(`${key} comment\n`), new RegExp(`^SIGNING_KEY='${key}'$`, "m"));
  assert.match(await installer(null), /^SIGNING_KEY=''$/m);
  for (
    const wrong of [
      "",
      "ssh-rsa AAAA\n",
      "ssh-ed25519 AA'; id; '\n",
      `${key}\n${key}\n`,
      `cert-authority ${key}\n`,
    ]
  ) await assert.rejects(installer(wrong), /no public key of kind ssh-ed25519/);
});

Deno.test({
  name: "a signature is of the sums, the key and the purpose; a release has one or is none",
  ignore: missing("ssh-keygen", "the signature of releases") !== null,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const keys = await Promise.all(["one", "two"].map(async (name) => {
        const args = ["-q", "-t", "ed25519", "-N", "", "-f", `${folder}/${name}`];
        await new Deno.Command("ssh-keygen", { args }).output();
        return {
          secret: await Deno.readTextFile(`${folder}/${name}`),
          public: await Deno.readTextFile(`${folder}/${name}.pub`),
        };
      }));
      await Deno.writeTextFile(`${folder}/SHA256SUMS`, "sums\n");
      await sign(folder, keys[0]!.secret);
      await verify(folder, keys[0]!.public);
      await assert.rejects(verify(folder, keys[1]!.public), /ssh-keygen: /);
      await Deno.writeTextFile(`${folder}/SHA256SUMS`, "other sums\n");
      await assert.rejects(verify(folder, keys[0]!.public), /ssh-keygen: /);
      await assert.rejects(sign(folder, "no key"), (error: Error) => {
        assert.doesNotMatch(error.message, /no key/);
        return true;
      });
      // The step of the workflow refuses, whichever half is missing.
      const env = { RELEASE_SIGNING_KEY: "", NO_COLOR: "1" };
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", SIGN, folder],
        env,
      }).output();
      assert.equal(code, 1);
      assert.match(
        new TextDecoder().decode(stderr),
        /^(There is no release\/sig|RELEASE_SIG).*CONTR/,
      );
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
