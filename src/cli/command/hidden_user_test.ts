import assert from "node:assert/strict";
import { TtunError } from "../../base/errors.ts";
import { type Command, type CommandGroup, isGroup } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { hideUser, withoutUser } from "./hidden_user.ts";
import { readText } from "./option_text.ts";

Deno.test("what stands before the @ of a URL is hidden, and nothing else", () => {
  const hidden = [
    ["ttun://key@h:1?wire=v2", "ttun://…@h:1?wire=v2"],
    ["ttunn://k/e:y@x@h:1", "ttunn://…@h:1"],
    ["ttun:key@h:1", "ttun:…@h:1"],
    ["8080:ttun://key@h:1", "8080:ttun://…@h:1"],
    ["ann@example.net", "ann@example.net"],
    ["tcp://h:1", "tcp://h:1"],
  ];
  for (const [text, shown] of hidden) assert.equal(withoutUser(text!), shown);
  assert.equal(
    hideUser('Cannot read "ttunn://a\\"b@h", write ttun://KEY@HOST', 'ttunn://a"b@h'),
    'Cannot read "ttunn://…@h", write ttun://KEY@HOST',
  );
});

Deno.test("no option of any command repeats the key of a link, or of a slip for one", () => {
  const keys = ["sEc", "/", ":", "=", ",", "?", "#", "%", "@", " ", "\\", '"', "]", ".."];
  let refused = 0;
  for (const { options } of all(Object.values(COMMANDS))) {
    for (const option of Object.values(options)) {
      for (const key of keys.map((sign) => `sEc${sign}ReT`)) {
        for (const form of ["ttun://", "TTUN://", "ttunn://", "ttun:", "tcp://", "1:ttun://"]) {
          for (const at of ["@h:1", "@h:1?wire=v2", "@[::1]:99999"]) {
            try {
              readText(option, "--option", form + key + at);
            } catch (error) {
              assert(error instanceof TtunError);
              refused++;
              assert.doesNotMatch(error.message, /sEc|ReT/, `${option.names[0]} ${form}${key}`);
            }
          }
        }
      }
    }
  }
  assert(refused > 1000);
});

function all(commands: readonly (Command | CommandGroup)[]): Command[] {
  return commands.flatMap((one) => isGroup(one) ? all(Object.values(one.commands)) : [one]);
}
