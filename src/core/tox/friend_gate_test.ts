import assert from "node:assert/strict";
import { utf8 } from "../../base/bytes.ts";
import { FriendGate } from "./friend_gate.ts";
import { LINK_REQUEST } from "./link_request.ts";

const KEY = new Uint8Array(32).fill(1);
const OTHER = new Uint8Array(32).fill(2);
const secret = utf8("open sesame");

Deno.test("the secret must be whole, with the NUL behind it", () => {
  const judge = (message: string) =>
    new FriendGate({ secret, whitelist: [] }).judge(KEY, utf8(message), 0);
  assert.equal(judge("open sesame\0"), "welcome");
  for (const wrong of ["", "\0", "open sesame", "open sesam\0", "open sesame!\0", "Hi, fell"]) {
    assert.equal(judge(wrong), "secret", wrong);
  }
});

Deno.test("the whitelist and the secret must both agree", () => {
  const gate = new FriendGate({ secret, whitelist: [OTHER, KEY] });
  assert.equal(gate.judge(KEY, utf8("open sesame\0"), 0), "welcome");
  assert.equal(gate.judge(new Uint8Array(32), utf8("open sesame\0"), 0), "whitelist");
  assert.equal(gate.judge(KEY, utf8("no\0"), 0), "secret");
});

Deno.test("without a secret the message means nothing", () => {
  const gate = new FriendGate({ secret: null, whitelist: [KEY] });
  assert.equal(gate.judge(KEY, utf8("Hi, fell"), 0), "welcome");
  assert.equal(gate.judge(OTHER, utf8("Hi, fell"), 0), "whitelist");
});

Deno.test("a flood of wrong secrets does not keep out the right one", () => {
  const gate = new FriendGate({ secret, whitelist: [] });
  for (let i = 0; i < 100_000; i++) assert.equal(gate.judge(OTHER, utf8("guess\0"), i), "secret");
  assert.equal(gate.judge(KEY, utf8("open sesame\0"), 59_999), "welcome");
});

Deno.test("sixty a minute come in where nothing is to be shown", () => {
  const gate = new FriendGate({ secret: null, whitelist: [] });
  for (let i = 0; i < 60; i++) assert.equal(gate.judge(OTHER, utf8("Hi, fell"), i), "welcome");
  assert.equal(gate.judge(KEY, utf8("Hi, fell"), 59_999), "many");
  assert.equal(gate.judge(KEY, utf8("Hi, fell"), 60_000), "welcome");
});

Deno.test("strangers use up no request of those on the whitelist", () => {
  const gate = new FriendGate({ secret, whitelist: [KEY] });
  for (let i = 0; i < 100; i++) assert.equal(gate.judge(OTHER, utf8("guess\0"), 0), "whitelist");
  assert.equal(gate.judge(KEY, utf8("open sesame\0"), 0), "welcome");
});

Deno.test("a friend that wants streams alone shows no secret, and the whitelist holds", () => {
  const gate = new FriendGate({ secret, whitelist: [KEY] });
  assert.equal(gate.judge(KEY, LINK_REQUEST, 0), "link");
  assert.equal(gate.judge(OTHER, LINK_REQUEST, 0), "whitelist");
  assert.equal(gate.judge(KEY, LINK_REQUEST.subarray(1), 0), "secret");
});

Deno.test("friends that want streams alone have shown nothing: sixty a minute, beside the secret's", () => {
  const gate = new FriendGate({ secret, whitelist: [] });
  for (let i = 0; i < 60; i++) assert.equal(gate.judge(OTHER, LINK_REQUEST, i), "link");
  assert.equal(gate.judge(OTHER, LINK_REQUEST, 59_999), "many");
  assert.equal(gate.judge(KEY, utf8("open sesame\0"), 59_999), "welcome");
});

Deno.test("a flood does not keep out those that proved the key before", () => {
  const gate = new FriendGate({ secret, whitelist: [] });
  gate.prove(KEY);
  for (let i = 0; i < 100; i++) gate.judge(OTHER, LINK_REQUEST, 0);
  assert.equal(gate.judge(OTHER, LINK_REQUEST, 0), "many");
  assert.equal(gate.judge(KEY, LINK_REQUEST, 0), "link");
  assert.equal(gate.judge(KEY, utf8("guess\0"), 0), "secret"); // it proved no secret
});

Deno.test("those that proved the key are limited, and the latest are known", () => {
  const gate = new FriendGate({ secret: null, whitelist: [] });
  const key = (i: number) => Uint8Array.of(i >> 8, i);
  for (let i = 0; i < 1024; i++) gate.prove(key(i));
  gate.prove(key(0));
  gate.prove(key(1024));
  for (let i = 0; i < 60; i++) gate.judge(OTHER, LINK_REQUEST, 0);
  assert.equal(gate.judge(key(1), LINK_REQUEST, 0), "many");
  for (const i of [0, 2, 1024]) assert.equal(gate.judge(key(i), LINK_REQUEST, 0), "link", `${i}`);
});
