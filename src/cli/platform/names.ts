import { DnsClient } from "../../app/net/dns_client.ts";
import { NameService } from "../../app/net/name_service.ts";
import { lookUpBySwitch } from "../../app/net/name_switch.ts";
import { SystemLookups } from "../../app/net/system_lookups.ts";
import { WatchedFile } from "../../app/net/watched_file.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { FileSource } from "../../contract/names.ts";
import { parseHosts } from "../../core/dns/hosts_file.ts";
import { parseNsswitch } from "../../core/dns/nsswitch.ts";
import { parseResolvConf } from "../../core/dns/resolv_conf.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { PosixDatagrams } from "../../io/net/posix_datagrams.ts";
import { PosixNet } from "../../io/net/posix_net.ts";
import type { Reactor } from "../../io/reactor/reactor.ts";
import { posixFiles } from "../../io/net/system_files.ts";
import { keptPath, RESOLV_CONF } from "../../io/netcfg/resolv_conf_file.ts";
import { rng } from "./rng.ts";

/** Most bytes of /etc/hosts; block lists have several megabytes. */
const MOST_HOSTS = 16 * 1024 * 1024;
const MOST_TEXT = 65_536;

/** The name servers behind systemd-resolved's own address. */
const UPSTREAM_CONF = "/run/systemd/resolve/resolv.conf";

const FILES_AND_DNS = parseNsswitch(null);

/**
 * Resolves by DNS queries with a reactor (Linux): they need no thread and can be cancelled.
 * Without, `ask` calls the C library in the main thread, for a few names at a time. `carrier`: for the
 * names of a tunnel's other end, which are asked outside it: by queries with that mark (SO_MARK), of
 * the name servers that were there before the tunnel's, and not by other programs.
 */
export function openNames(
  ask: (host: string) => Promise<string[]>,
  { libc, reactor }: { readonly libc: Libc | null; readonly reactor: Reactor | null },
  carrier?: { readonly mark?: number | undefined },
): Resolver {
  const mark = carrier?.mark;
  const system = new SystemLookups(ask);
  if (libc === null || reactor === null) {
    return new NameService(({ name, isAbsolute }, { owner, signal }) =>
      system.lookUp(isAbsolute ? `${name}.` : name, owner, signal)
    );
  }
  const files = posixFiles(libc);
  const watch = fileWatcher(files, reactor);
  const hostName = watch("/proc/sys/kernel/hostname", (text) => (text ?? "").trim().toLowerCase());
  const resolvConf = watch(RESOLV_CONF, (text) => parseResolvConf(text, hostName.value));
  const upstream = watch(UPSTREAM_CONF, (text) => parseResolvConf(text, hostName.value));
  const former = watch(
    keptPath(RESOLV_CONF),
    (text) => text === null ? null : parseResolvConf(text, hostName.value),
  );
  const nsswitch = watch("/etc/nsswitch.conf", parseNsswitch);
  const conf = () => {
    const isStub = resolvConf.value.servers.every((server) => /^(127\.|::1$)/.test(server));
    if (carrier === undefined) return resolvConf.value;
    if (former.value !== null) return former.value;
    return isStub && upstream.value.servers.length > 0 ? upstream.value : resolvConf.value;
  };
  const hosts = watch("/etc/hosts", parseHosts, MOST_HOSTS);
  const datagrams = new PosixDatagrams(reactor, mark);
  const dialer = new PosixNet(reactor, { mptcp: { dial: false, listen: false }, mark });
  return new NameService(lookUpBySwitch({
    order: () => carrier === undefined ? nsswitch.value : FILES_AND_DNS,
    hosts: () => hosts.value,
    hostName: () => hostName.value,
    dns: new DnsClient({ conf, datagrams, dialer, clock: reactor, rng }),
    system,
    sourceOf: (host) => datagrams.sourceOf(host),
    exists: (path) => files.stampOf(path) !== null,
  }));
}

function fileWatcher(source: FileSource, clock: Clock) {
  return <T>(path: string, parse: (text: string | null) => T, most = MOST_TEXT) =>
    new WatchedFile({ source, clock, path, most, parse });
}
