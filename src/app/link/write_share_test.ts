import assert from "node:assert/strict";
import { WriteShare } from "./write_share.ts";

const KB = 1024;

Deno.test("write share: streams write as they like where no packets wait", () => {
  const share = new WriteShare();
  assert.equal(share.most(Infinity), Infinity);
  share.wrote(1000 * KB);
  assert.equal(share.most(8 * KB), 8 * KB);
});

Deno.test("write share: streams write as many bytes as packets that waited", () => {
  const share = new WriteShare();
  share.waited(32 * KB);
  assert.equal(share.most(Infinity), 32 * KB);
  assert.equal(share.most(8 * KB), 32 * KB);
  share.wrote(12 * KB);
  assert.equal(share.most(Infinity), 20 * KB);
  share.wrote(30 * KB);
  assert.equal(share.most(Infinity), Infinity);
});

Deno.test("write share: a small packet makes writes of streams short, but not tiny", () => {
  const share = new WriteShare();
  share.waited(84);
  assert.equal(share.most(Infinity), 16 * KB);
  assert.equal(share.most(8 * KB), 8 * KB);
});

Deno.test("write share: streams do not make up for more than a batch", () => {
  const share = new WriteShare();
  for (let i = 0; i < 10; i++) share.waited(64 * KB);
  assert.equal(share.most(Infinity), 72 * KB);
});
