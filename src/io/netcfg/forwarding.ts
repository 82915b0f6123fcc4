import { readFile } from "../../../ffi/linux/file.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { sysctlsOfOthers, type SysctlStep } from "../changes/others.ts";
import {
  type SharedSetting,
  SharedSettings,
  type SharedSettingsOptions,
} from "../changes/shared_settings.ts";
import { readSysctl } from "../changes/sysctl.ts";

const ROOT = { 4: "/proc/sys/net/ipv4/", 6: "/proc/sys/net/ipv6/" } as const;
const SWITCH = { 4: `${ROOT[4]}ip_forward`, 6: `${ROOT[6]}conf/all/forwarding` } as const;

/** A line for each link has some 130 bytes. */
const MOST_BYTES = 1024 * 1024;

/**
 * Lets the kernel forward packets until dispose. `links6` have the ways of IPv6 to the internet, or
 * another default route. @throws the system's refusal
 */
export function switchForwardingOn(
  o: SharedSettingsOptions,
  families: readonly (4 | 6)[],
  links6: readonly string[],
): SharedSettings {
  const wanted = () => families.flatMap((family) => settingsFor(o, family, links6));
  return new SharedSettings(o, "forwarding", wanted);
}

/** Returns what is to be set, the switch last: it is the first to be put back. */
function settingsFor(
  { folder, libc }: SharedSettingsOptions,
  family: 4 | 6,
  links6: readonly string[],
): SharedSetting[] {
  const path = SWITCH[family];
  const before = readSysctl(libc, path);
  if (before === null) return []; // a kernel without this family
  if (before !== "0") {
    const theirs = sysctlsOfOthers(libc, folder).find((steps) =>
      steps.some((step) => step.path === path)
    );
    const ofFamily = theirs?.filter((step) => step.path.startsWith(ROOT[family])) ?? [];
    return ofFamily.map((undo) => ({ undo, isFollowed: true }));
  }
  const set = (at: string, before: string, after: string): SharedSetting => ({
    undo: { kind: "sysctl", path: at, before, after },
    isFollowed: false,
  });
  return [
    ...followers(libc, family),
    // With forwarding the kernel drops the default routes that routers advertise, unless it is 2.
    ...(family === 4 ? [] : links6)
      .map((link) => `${ROOT[6]}conf/${link}/accept_ra`)
      .filter((at) => readSysctl(libc, at) === "1")
      .map((at) => set(at, "1", "2")),
    set(path, before, "1"),
  ];
}

/**
 * The switch sets these for all links, also when it goes back to 0: those that had another value
 * before get it again after that (inet_forward_change in the kernel's devinet.c).
 */
function followers(libc: Libc, family: 4 | 6): SharedSetting[] {
  const conf = `${ROOT[family]}conf`;
  const follower = (path: string, usual: string): SharedSetting[] => {
    const before = readSysctl(libc, path);
    if (before === null || before === usual) return [];
    const undo: SysctlStep = { kind: "sysctl", path, before, after: usual };
    return [{ undo, isFollowed: true }];
  };
  const links = ["default", ...linkNames(libc)];
  return [
    ...(family === 4 ? follower(`${conf}/all/accept_redirects`, "1") : []),
    ...links.flatMap((name) => follower(`${conf}/${name}/forwarding`, "0")),
  ];
}

function linkNames(libc: Libc): string[] {
  const bytes = readFile(libc, "/proc/net/dev", MOST_BYTES) ?? new Uint8Array();
  const lines = new TextDecoder().decode(bytes).split("\n").slice(2);
  return lines.map((line) => line.slice(0, line.lastIndexOf(":")).trim()).filter((name) => name);
}
