import assert from "node:assert/strict";
import { isGroup } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import {
  CLIENT_REFUSALS,
  COMMAND_HABITS,
  PROXY_CLIENT_HABITS,
  PROXY_SERVER_HABITS,
  SERVER_REFUSALS,
} from "./habits.ts";
import { PROXY_CLIENT_OPTIONS, PROXY_SERVER_OPTIONS } from "../proxy/options.ts";
import { CLIENT_OPTIONS, SERVER_OPTIONS } from "../tun/options.ts";

Deno.test("no word of another program hides an option or a command of ttun's own", () => {
  for (
    const [refusals, options] of [
      [SERVER_REFUSALS, SERVER_OPTIONS],
      [CLIENT_REFUSALS, CLIENT_OPTIONS],
      [PROXY_SERVER_HABITS, PROXY_SERVER_OPTIONS],
      [PROXY_CLIENT_HABITS, PROXY_CLIENT_OPTIONS],
    ] as const
  ) {
    const own: string[] = Object.values(options).flatMap(({ names }) => [...names]);
    assert.deepEqual(Object.keys(refusals).filter((name) => own.includes(name)), []);
  }
  // A group's own words, as ttun service start, are found before.
  const words = Object.entries(COMMANDS).flatMap(([word, found]) =>
    isGroup(found) ? [word, ...found.aliases] : [word]
  );
  assert.deepEqual(words.filter((word) => Object.hasOwn(COMMAND_HABITS, word)), []);
});

Deno.test("every command tells where the version is", () => {
  for (
    const refusals of [SERVER_REFUSALS, CLIENT_REFUSALS, PROXY_SERVER_HABITS, PROXY_CLIENT_HABITS]
  ) {
    for (const name of ["version", "V"]) assert.match(refusals[name] ?? "", /^ttun --version /);
  }
});
