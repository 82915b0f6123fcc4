import { deepEqual, equal } from "node:assert/strict";
import type { Outcome } from "../netcfg/command_steps.ts";
import { chooseStore } from "./choose_store.ts";
import { isSameSetting, type StoreProgram } from "./proxy_setting.ts";
import { storeOf } from "./proxy_store.ts";

const URL = "http://127.0.0.1:1080/proxy.pac";

/** A program that answers by the beginning of its command line, and the command lines that it had. */
function stand(answers: Readonly<Record<string, string | Outcome>>) {
  const seen: string[] = [];
  const run = (command: readonly string[]): Outcome => {
    const line = command.join(" ");
    seen.push(line);
    const [, answer = ""] = Object.entries(answers).find(([begin]) => line.startsWith(begin)) ?? [];
    return typeof answer === "string"
      ? { code: 0, output: `a warning\n${answer}\n`, stdout: `${answer}\n` }
      : answer;
  };
  return { seen, run };
}

/** Reads, sets the PAC file and puts back; returns what was read, set, and run for it. */
function wholeWay(by: StoreProgram, answers: Readonly<Record<string, string | Outcome>>) {
  const { seen, run } = stand(answers);
  const store = storeOf(by, run);
  const before = store.read();
  const after = store.automatic(URL, before);
  seen.length = 0;
  store.write(after);
  const set = seen.splice(0);
  store.write(before);
  return { before, after, set, back: seen };
}

Deno.test("GNOME: the address before the mode, in GVariant's text", () => {
  const way = wholeWay("gsettings", {
    "gsettings get org.gnome.system.proxy mode": "'manual'",
    "gsettings get org.gnome.system.proxy autoconfig-url": "'http://wpad/'",
  });
  deepEqual(way.before, { mode: "'manual'", url: "'http://wpad/'" });
  const set = (key: string, value: string) =>
    `gsettings set org.gnome.system.proxy ${key} ${value}`;
  deepEqual(way.set, [set("autoconfig-url", `'${URL}'`), set("mode", "'auto'")]);
  deepEqual(way.back, [set("autoconfig-url", "'http://wpad/'"), set("mode", "'manual'")]);
});

Deno.test("KDE: a value that was not there is removed again, and running programs are told", () => {
  for (const version of ["5", "6"] as const) {
    const way = wholeWay(`kwriteconfig${version}`, {});
    deepEqual(way.before, { mode: "", url: "" });
    const key = (key: string, rest: string) =>
      `kwriteconfig${version} --file kioslaverc --group Proxy Settings --key ${key} ${rest}`;
    deepEqual(way.set.slice(0, 2), [key("Proxy Config Script", URL), key("ProxyType", "2")]);
    deepEqual(way.back.slice(0, 2), [
      key("Proxy Config Script", "--delete"),
      key("ProxyType", "--delete"),
    ]);
    equal(way.set[2]?.startsWith("dbus-send --type=signal /KIO/Scheduler "), true);
  }
});

Deno.test("macOS: each service that is on has its own again", () => {
  const way = wholeWay("networksetup", {
    "networksetup -listallnetworkservices":
      "An asterisk (*) denotes that a network service is disabled.\nWi-Fi\n*Old one\nThunderbolt Bridge",
    "networksetup -getautoproxyurl Wi-Fi": "URL: http://wpad/\nEnabled: Yes",
    "networksetup -getautoproxyurl Thunderbolt Bridge": "URL: (null)\nEnabled: No",
  });
  deepEqual(way.before, { "Wi-Fi": "on http://wpad/", "Thunderbolt Bridge": "off (null)" });
  const all = (lines: [string, string][]) =>
    lines.map(([what, rest]) => `networksetup -set${what} ${rest}`);
  deepEqual(
    way.set,
    all(["Wi-Fi", "Thunderbolt Bridge"].flatMap((name): [string, string][] => [
      ["autoproxyurl", `${name} ${URL}`],
      ["autoproxystate", `${name} on`],
    ])),
  );
  deepEqual(
    way.back,
    all([
      ["autoproxyurl", "Wi-Fi http://wpad/"],
      ["autoproxystate", "Wi-Fi on"],
      ["autoproxystate", "Thunderbolt Bridge off"],
    ]),
  );
});

Deno.test("Windows: a value that was not there goes", () => {
  const key = "HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings";
  const none = wholeWay("reg", { "reg query": { code: 1, output: "ERROR: unable to find" } });
  deepEqual(none.set, [`reg add ${key} /v AutoConfigURL /t REG_SZ /d ${URL} /f`]);
  deepEqual(none.back, [`reg delete ${key} /v AutoConfigURL /f`]);
  const some = wholeWay("reg", {
    "reg query": `${key}\n    AutoConfigURL    REG_SZ    http://wpad/\r`,
  });
  deepEqual(some.back, [`reg add ${key} /v AutoConfigURL /t REG_SZ /d http://wpad/ /f`]);
});

Deno.test("the program follows from system and desktop; one that is not there is none", () => {
  const has = (...programs: string[]) => ([program]: readonly string[]) =>
    programs.includes(program!);
  const all = has("gsettings", "kreadconfig5", "kreadconfig6");
  equal(chooseStore("linux", "ubuntu:GNOME", all), "gsettings");
  equal(chooseStore("linux", "KDE", all), "kwriteconfig6");
  equal(chooseStore("linux", "KDE", has("kreadconfig5")), "kwriteconfig5");
  equal(chooseStore("linux", "KDE", has("gsettings")), "gsettings");
  equal(chooseStore("linux", "", all), "gsettings");
  equal(chooseStore("linux", "KDE", has()), null);
  equal(chooseStore("darwin", "", has()), "networksetup");
  equal(chooseStore("windows", "", has()), "reg");
});

Deno.test("a setting is the same if all values are", () => {
  equal(isSameSetting({ a: "1" }, { a: "1" }), true);
  equal(isSameSetting({ a: "1" }, { a: "1", b: "" }), false);
  equal(isSameSetting({ a: "1" }, { a: "2" }), false);
});
