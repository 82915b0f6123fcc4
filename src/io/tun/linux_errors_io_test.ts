import assert from "node:assert/strict";
import { Errno } from "../../../ffi/linux/errno.ts";
import { CAP_NET_ADMIN } from "../../../ffi/linux/capabilities.ts";
import { NativeError } from "../../../ffi/native.ts";
import { test } from "../../../tests/check.ts";
import { fakeLibc } from "../../../tests/fake/libc.ts";
import { openError } from "./linux_errors.ts";

test({
  name: "a user who has the capability and not the file is told to change the file's mode",
  ignore: Deno.build.os !== "linux",
  fn: () => {
    const refused = new NativeError("open", Errno.EACCES);
    const words = (capabilities: number) => {
      const libc = fakeLibc(() => ({
        geteuid: () => 1000,
        capget: (_, data) => {
          new DataView((data as Uint8Array).buffer).setUint32(4, capabilities, true);
          return 0;
        },
      }));
      return openError(refused, libc, { name: undefined }).message;
    };
    assert.match(words(1 << CAP_NET_ADMIN), /no access to it; give it: sudo chmod 666/);
    assert.match(words(0), /it takes root or CAP_NET_ADMIN; run ttun with sudo/);
  },
});
