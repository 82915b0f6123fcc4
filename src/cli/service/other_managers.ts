import { type Service, serviceArgs, serviceMark } from "./service.ts";

/** Folder of services' scripts and logs, to which administrators alone may write. */
export const WINDOWS_FOLDER = "C:\\Program Files\\ttun\\services\\";

/** The arguments of a service that reads its files where they are. */
function plainArgs(service: Service): string[] {
  return serviceArgs(service, (file) => file.path, service.statusName);
}

/** A script for OpenRC (openrc-run(8)), whose own supervisor starts the program again. */
export function openrcScript(service: Service, program: string): string {
  const { id, name, config, command } = service;
  return `#!/sbin/openrc-run
# ${serviceMark(service)}; ttun service uninstall ${name} removes it.

name="${id}"
description="ttun ${command} of ${config}"
supervisor="supervise-daemon"
command="${program}"
command_args="${plainArgs(service).join(" ")}"
pidfile="/run/\${RC_SVCNAME}.pid"
output_log="${openrcLog(id)}"
error_log="${openrcLog(id)}"
supervise_daemon_args="--no-new-privs"
umask="077"
respawn_delay=2
respawn_max=0
extra_started_commands="reload"

depend() {
	${service.hasKillSwitch ? "before net" : "need net"}
	after firewall
}

start_pre() {
	checkpath -d -m 0700 /var/log/ttun
}

reload() {
	ebegin "Reloading \${RC_SVCNAME}"
	supervise-daemon "\${RC_SVCNAME}" --signal HUP --pidfile "\${pidfile}"
	eend $?
}
`;
}

export function openrcLog(id: string): string {
  return `/var/log/ttun/${id}.log`;
}

/** A property list for launchd (launchd.plist(5)). */
export function launchdPlist(service: Service, program: string): string {
  const words = [program, ...plainArgs(service)].map((word) => `    <string>${word}</string>`);
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>EnvironmentVariables</key>
  <dict><key>SERVICE_ORIGIN</key><string>${serviceMark(service)}</string></dict>
  <key>Label</key>
  <string>${service.id}</string>
  <key>ProgramArguments</key>
  <array>
${words.join("\n")}
  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <true/>
  <key>StandardErrorPath</key>
  <string>${launchdLog(service.id)}</string>
</dict>
</plist>
`;
}

export function launchdLog(id: string): string {
  return `/var/log/${id}.log`;
}

/**
 * A script that has Windows start the program as SYSTEM at each boot, by its task scheduler: a
 * Windows service would have to answer the Service Control Manager, which ttun does not.
 */
export function windowsScript(service: Service, program: string): string {
  const args = [program, ...plainArgs(service), "--log-file", windowsLog(service.id)];
  const words = args.map(quotedWord).join(" ");
  return [
    "@echo off",
    `rem ${serviceMark(service)}`,
    `schtasks /Create /F /TN "${service.id}" /SC ONSTART /RU SYSTEM /RL HIGHEST /TR "${words}"`,
    "",
  ].join("\r\n");
}

export function windowsLog(id: string): string {
  return `${WINDOWS_FOLDER}${id}.log`;
}

/** Inside the quotes of /TR. */
function quotedWord(word: string): string {
  return /\s/.test(word) ? `\\"${word}\\"` : word;
}
