import { FRESH_VARIABLE } from "../platform/credentials.ts";
import { type Service, serviceArgs, type ServiceFile, serviceMark } from "./service.ts";

/** A folder of root's with folders for what a reload has copied. */
const FRESH = "/run/ttun-fresh";

/** The limits of all services; release/systemd/ has the same. */
const LIMITS = `NoNewPrivileges=yes
DevicePolicy=closed
LockPersonality=yes
# V8 writes machine code while it runs: this cannot be forbidden.
MemoryDenyWriteExecute=no
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service @pkey
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
UMask=0077`;

export interface UnitPlace {
  /** The executable's path. */
  readonly program: string;
  /** /etc/resolv.conf is another program's than systemd-resolved's, and is replaced. */
  readonly replacesResolvConf: boolean;
}

/**
 * A unit for a service, which runs as a user of its own without a name and gets its files by
 * LoadCredential. One that sets name servers is root without any right of root's but CAP_NET_ADMIN:
 * systemd-resolved listens to no other user, and /etc is root's. A node of a cluster is root without
 * any right of root's: its folder is root's, whose commands write there while it runs.
 */
export function systemdUnit(service: Service, place: UnitPlace): string {
  const { id, name, config, command, files } = service;
  const { nodeFolder } = service;
  const isRoot = service.setsNameServers || nodeFolder !== null;
  const fresh = `${FRESH}/${id}`;
  // Root's ttun has its journal and its socket there.
  const runtime = isRoot ? "ttun" : id;
  const args = serviceArgs(
    service,
    (file) => `\${CREDENTIALS_DIRECTORY}/${file.name}`,
    isRoot ? service.statusName : null, // by its folder in /run otherwise
  );
  // Its state would be in the unit's own folder.
  if (nodeFolder !== null) args.push("--data", nodeFolder);
  const lines = [
    `# ${serviceMark(service)}; ttun service uninstall ${name} removes it.`,
    "[Unit]",
    `Description=ttun ${command} of ${config}`,
    ...(service.hasKillSwitch
      ? [
        "# Nothing leaves before the kill switch is there.",
        "Wants=network-pre.target",
        "Before=network-pre.target",
      ]
      : ["Wants=network-online.target", "After=network-online.target"]),
    "# A network that comes late is no reason to give up.",
    "StartLimitIntervalSec=0",
    "",
    "[Service]",
    "Type=notify",
    `ExecStartPre=+/bin/rm -rf ${fresh}`,
    `ExecStart=${[place.program, ...args].join(" ")}`,
    "# Credentials are as they were at the start: root copies what is there now.",
    `ExecReload=+/bin/sh -c '${escaped(refreshScript(files, fresh, isRoot ? null : id))}'`,
    "ExecReload=/bin/sh -c 'kill -HUP $MAINPID'",
    `ExecStopPost=+/bin/rm -rf ${fresh}`,
    ...files.map((file) => `LoadCredential=${file.name}:${file.path}`),
    `Environment=${FRESH_VARIABLE}=${fresh}`,
    `StateDirectory=${id}`,
    "StateDirectoryMode=0700",
    `RuntimeDirectory=${runtime}`,
    "RuntimeDirectoryMode=0700",
    "# Changes of the machine are written down there: after a kill the next start takes them back.",
    "RuntimeDirectoryPreserve=yes",
    "# ttun tells that it is alive as long as what carries packets answers. A dump of its memory would",
    "# have keys in it.",
    "WatchdogSec=60",
    "WatchdogSignal=SIGKILL",
    "LimitCORE=0",
    "Restart=always",
    "RestartSec=2",
    "# A fault of the configuration or the key does not mend itself.",
    "RestartPreventExitStatus=2",
    "",
    ...(isRoot ? ["User=root"] : ["DynamicUser=yes"]),
    ...capabilities(service),
    ...(service.hasDevice ? ["DeviceAllow=/dev/net/tun rw"] : ["PrivateDevices=yes"]),
    `ProtectKernelTunables=${service.writesSettings ? "no" : "yes"}`,
    // ProtectSystem= leaves /run to root, where other programs' units and rules may be.
    ...(isRoot ? ["ReadOnlyPaths=/run"] : []),
    ...(service.setsNameServers ? resolverPaths(place) : []),
    ...(nodeFolder === null ? [] : [
      "# Without a node there, ttun says so.",
      `ReadWritePaths=-${nodeFolder}`,
    ]),
    LIMITS,
    "",
    "[Install]",
    "WantedBy=multi-user.target",
  ];
  return `${lines.join("\n")}\n`;
}

function resolverPaths({ replacesResolvConf }: UnitPlace): string[] {
  return replacesResolvConf ? ["ReadWritePaths=/etc -/run/resolvconf"] : [];
}

function capabilities({ hasDevice, hasLowPorts }: Service): string[] {
  const all = [
    ...(hasDevice ? ["CAP_NET_ADMIN"] : []),
    ...(hasLowPorts ? ["CAP_NET_BIND_SERVICE"] : []),
  ].join(" ");
  const ambient = all === "" ? [] : [`AmbientCapabilities=${all}`];
  return [...ambient, `CapabilityBoundingSet=${all}`];
}

/**
 * Copies files as they are now for the group of the unit's user, who owns the unit's folder in /run
 * and can write nothing where they go. `id`: null = root.
 */
export function refreshScript(
  files: readonly ServiceFile[],
  folder: string,
  id: string | null,
): string {
  const parent = folder.slice(0, folder.lastIndexOf("/"));
  return [
    "set -eu",
    id === null ? "g=0" : `g=$(stat -Lc %g /run/${id})`,
    `mkdir -p -m 711 ${parent}`,
    `install -d -m 710 -g "$g" ${folder}`,
    ...files.map(({ name, path }) => `install -m 440 -g "$g" -T ${path} ${folder}/${name}`),
  ].join("; ");
}

/** For a value in single quotes of a unit (systemd.service(5), "Command lines"). */
function escaped(script: string): string {
  return script.replaceAll("%", "%%").replaceAll("$", "$$$$");
}
