import { SHARE_OPTIONS } from "../share/options.ts";
import {
  CONFIG_EXAMPLE_OPTIONS,
  CONFIG_NAME_OPTIONS,
  type ConfigExampleFlags,
  type ConfigNameFlags,
} from "../config/options.ts";
import { type Command, type Commands, defineCommand, fileCommands } from "./command.ts";
import type { COMPLETIONS } from "./completions.ts";
import { load } from "../plane/load.ts";
import type { RunContext } from "./context.ts";
import { logSettings, measureLogging } from "./log_settings.ts";
import { CLIENT_REFUSALS, SERVER_REFUSALS } from "./habits.ts";
import {
  PROXY_CLIENT_OPTIONS,
  PROXY_CLIENT_REFUSALS,
  PROXY_SERVER_OPTIONS,
  PROXY_SERVER_REFUSALS,
} from "../proxy/options.ts";
import { KEY_ADD_OPTIONS, KEY_CHANGE_OPTIONS, KEY_LIST_OPTIONS } from "../keys/options.ts";
import { DEVICE_ADD_OPTIONS, DEVICE_REMOVE_OPTIONS } from "../device/options.ts";
import { DOCTOR_OPTIONS } from "../doctor/options.ts";
import { PING_OPTIONS, SPEEDTEST_OPTIONS } from "../measure/options.ts";
import {
  CONNECT_OPTIONS,
  LISTEN_OPTIONS,
  PEER_OPTIONS,
  STUN_SERVER_OPTIONS,
} from "../peer/options.ts";
import {
  FORWARD_ADD_OPTIONS,
  FORWARD_LIST_OPTIONS,
  FORWARD_REMOVE_OPTIONS,
} from "../status/forward_options.ts";
import { STATUS_COMMAND_OPTIONS } from "../status/options.ts";
import {
  MESH_CORE_OPTIONS,
  MESH_INIT_OPTIONS,
  MESH_INVITE_OPTIONS,
  MESH_JOIN_OPTIONS,
  MESH_KV_OPTIONS,
  MESH_LEAVE_OPTIONS,
  MESH_NODE_OPTIONS,
  MESH_REVOKE_OPTIONS,
  MESH_ROTATE_OPTIONS,
  MESH_STATUS_OPTIONS,
  MESH_TOKEN_OPTIONS,
} from "../mesh/options.ts";
import {
  ENROLL_OPTIONS,
  NAMES_OPTIONS,
  PASSWORD_OPTIONS,
  PUBLISH_OPTIONS,
} from "../gateway/options.ts";
import {
  ACCESS_OPTIONS,
  REACH_CONNECT_OPTIONS,
  REACH_LISTEN_OPTIONS,
} from "../gateway/reach_options.ts";
import { print } from "../output/stdout.ts";
import { RECEIVE_OPTIONS, SEND_OPTIONS } from "../transfer/options.ts";
import { TOX_ID_OPTIONS, TOX_NODES_OPTIONS, TOX_OPTIONS, TOX_SSH_OPTIONS } from "../tox/options.ts";
import { CLIENT_OPTIONS, SERVER_OPTIONS } from "../tun/options.ts";
import {
  SERVICE_INSTALL_OPTIONS,
  SERVICE_LOGS_OPTIONS,
  SERVICE_OPTIONS,
  type ServiceInstallFlags,
} from "../service/options.ts";
import {
  LOGS_OPTIONS,
  type LogsFlags,
  RUN_OPTIONS,
  UP_OPTIONS,
  type UpFlags,
} from "../up/options.ts";

/** Commands in the order of help. Each loads its code when it runs: help needs no permission. */
export const COMMANDS = {
  server: defineCommand({
    summary: "wait for a client and be its tunnel's other end",
    example: "ttun server --key-file /etc/ttun/key",
    options: SERVER_OPTIONS,
    refusals: SERVER_REFUSALS,
    leavesRoot,
    logging: logSettings,
    run: async (options, context) =>
      await (await load(() => import("../tun/command.ts"))).runTun("server", options, context),
  }),
  client: defineCommand({
    summary: "connect to a server and keep connected",
    example: "ttun client -s vpn.example.net:20203 --key-file ~/.ttun-key",
    options: CLIENT_OPTIONS,
    refusals: CLIENT_REFUSALS,
    leavesRoot,
    // With -W it stands in for another program, whose words the user waits for.
    logging: (options) =>
      logSettings({ ...options, quiet: options.quiet || options.stdio !== undefined }),
    run: async (options, context) =>
      await (await load(() => import("../tun/command.ts"))).runTun("client", options, context),
  }),
  proxy: {
    summary: "carry single connections, for programs that can use a proxy",
    about: "ttun proxy carries connections of programs that can use a proxy (SOCKS5, SOCKS4 or " +
      "HTTP): its client takes them, its server connects to where they want to go. The server's " +
      "port changes every minute. The other end may be the program tt; as a program of that name " +
      "ttun takes its command lines.",
    aliases: ["tt"],
    commands: {
      server: defineCommand({
        summary: "connect to where a proxy's clients want to go",
        example: "ttun proxy server --key-file /etc/ttun/key",
        options: PROXY_SERVER_OPTIONS,
        refusals: PROXY_SERVER_REFUSALS,
        leavesRoot,
        logging: logSettings,
        run: async (options, context) =>
          await (await load(() => import("../proxy/command.ts"))).runProxy(
            "server",
            options,
            context,
          ),
      }),
      client: defineCommand({
        summary: "be a proxy for this machine's programs, through a server",
        example: "ttun proxy client -s proxy.example.net --key-file ~/.ttun-key",
        options: PROXY_CLIENT_OPTIONS,
        refusals: PROXY_CLIENT_REFUSALS,
        leavesRoot,
        logging: logSettings,
        run: async (options, context) =>
          await (await load(() => import("../proxy/command.ts"))).runProxy(
            "client",
            options,
            context,
          ),
      }),
    },
  },
  peer: defineCommand({
    summary: "connect two machines behind NATs, and carry standard input and output between them",
    example: "ttun peer --stun stun.example.net -peerip 203.0.113.7 < file",
    aliases: ["tete"],
    further: {
      listen: defineCommand({
        summary: "print a ticket, and wait for the machine that connects with it",
        example: "ttun peer listen < file",
        options: LISTEN_OPTIONS,
        notInFiles: true,
        logging: logSettings,
        run: async (options, context) => (await loadPeer()).runListen(options, context),
      }),
      connect: defineCommand({
        summary: "connect with the machine that has printed a ticket",
        example: "ttun peer connect --ticket-file ticket > file",
        options: CONNECT_OPTIONS,
        notInFiles: true,
        logging: logSettings,
        run: async (options, context) => (await loadPeer()).runConnect(options, context),
      }),
    },
    options: PEER_OPTIONS,
    logging: logSettings,
    run: async (options, context) => await (await loadPeer()).runPeer(options, context),
  }),
  "stun-server": defineCommand({
    summary: "tell other machines their public addresses (STUN over TCP), for ttun peer --stun",
    example: "ttun stun-server",
    options: STUN_SERVER_OPTIONS,
    logging: logSettings,
    run: async (options, context) => await (await loadPeer()).runStun(options, context),
  }),
  tox: defineCommand({
    summary: "carry forwards to a machine behind any NAT over the Tox network, as tuntox does",
    example: "ttun tox -i TOX_ID -L 2222:127.0.0.1:22 --secret-file ~/.tox-secret",
    aliases: ["tuntox"],
    further: {
      id: defineCommand({
        summary: "print the Tox ID of this machine's server, and make one where there is none",
        example: "ttun tox id",
        options: TOX_ID_OPTIONS,
        notInFiles: true,
        logging: logSettings,
        run: async (options, context) =>
          await (await load(() => import("../tox/id.ts"))).runToxId(options, context),
      }),
      nodes: defineCommand({
        summary: "print the nodes by which the Tox network is found, and fetch newer ones",
        example: "ttun tox nodes --update",
        options: TOX_NODES_OPTIONS,
        notInFiles: true,
        logging: logSettings,
        run: async (options, context) =>
          await (await load(() => import("../tox/list_nodes.ts"))).runToxNodes(options, context),
      }),
      ssh: defineCommand({
        summary: "run ssh to a server that lets its clients reach its machine's sshd",
        example: "ttun tox ssh root@home uptime",
        options: TOX_SSH_OPTIONS,
        notInFiles: true,
        run: async (options) =>
          await (await load(() => import("../tox/ssh.ts"))).runToxSsh(options),
      }),
    },
    options: TOX_OPTIONS,
    leavesRoot,
    // With -W it stands in for another program, whose words the user waits for.
    logging: (options) =>
      logSettings({
        ...options,
        quiet: options.quiet || (options.stdio !== undefined && !options.verbose),
        daemon: options.daemon || options.daemonize,
        syslog: options.syslog || (options.daemonize && options.logFile === undefined),
      }),
    run: async (options, context) =>
      await (await load(() => import("../tox/command.ts"))).runTox(options, context),
  }),
  mesh: {
    summary: "be a node of a cluster that keeps records on several hosts",
    about:
      "ttun mesh node processes on any machines form one cluster, which keeps keys with values, " +
      "names and leases, and serves them over HTTP to programs of its machines. The first node is " +
      "made by ttun mesh init, others join by an invite that ttun mesh invite prints.",
    aliases: [],
    example: "ttun mesh node",
    commands: {
      init: defineCommand({
        summary: "make a cluster, whose first node this machine is",
        example: "ttun mesh init --advertise node1.example.net",
        options: MESH_INIT_OPTIONS,
        notInFiles: true,
        run: async (options, context) =>
          await (await load(() => import("../mesh/init.ts"))).runMeshInit(options, context),
      }),
      node: defineCommand({
        summary: "run this machine's node",
        example: "ttun mesh node",
        options: MESH_NODE_OPTIONS,
        logging: logSettings,
        run: async (options, context) =>
          await (await load(() => import("../mesh/command.ts"))).runMeshNode(options, context),
      }),
      invite: defineCommand({
        summary: "print an invite, with which another machine joins",
        example: "ttun mesh invite",
        options: MESH_INVITE_OPTIONS,
        notInFiles: true,
        run: async (options, context) =>
          await (await load(() => import("../mesh/invite.ts"))).runMeshInvite(options, context),
      }),
      join: defineCommand({
        summary: "make this machine a node of a cluster",
        example: "ttun mesh join --invite-file invite",
        options: MESH_JOIN_OPTIONS,
        notInFiles: true,
        run: async (options, context) =>
          await (await load(() => import("../mesh/join.ts"))).runMeshJoin(options, context),
      }),
      leave: defineCommand({
        summary: "give the running node's records to others, and end it",
        example: "ttun mesh leave",
        options: MESH_LEAVE_OPTIONS,
        notInFiles: true,
        run: async (options, context) =>
          await (await load(() => import("../mesh/leave.ts"))).runMeshLeave(options, context),
      }),
      status: defineCommand({
        summary: "tell about a running node and its cluster",
        example: "ttun mesh status",
        options: MESH_STATUS_OPTIONS,
        notInFiles: true,
        run: async (options, context) =>
          await (await load(() => import("../mesh/status.ts"))).runMeshStatus(options, context),
      }),
      kv: defineCommand({
        summary: "read, write, list and watch keys",
        example: "ttun mesh kv put kv/app/colour blue",
        options: MESH_KV_OPTIONS,
        notInFiles: true,
        run: async (options, context) =>
          await (await load(() => import("../mesh/kv.ts"))).runMeshKv(options, context),
      }),
      token: defineCommand({
        summary: "add, list and revoke tokens of programs that use the API",
        example: "ttun mesh token add --verbs get,put --prefix kv/app/",
        options: MESH_TOKEN_OPTIONS,
        notInFiles: true,
        run: async (options, context) =>
          await (await load(() => import("../mesh/token.ts"))).runMeshToken(options, context),
      }),
      revoke: defineCommand({
        summary: "shut a node out of the cluster",
        example: "ttun mesh revoke 3fa2b1c09d11",
        options: MESH_REVOKE_OPTIONS,
        notInFiles: true,
        run: async (options, context) =>
          await (await load(() => import("../mesh/invite.ts"))).runMeshRevoke(options, context),
      }),
      rotate: defineCommand({
        summary: "replace the cluster's authority and secret, while it runs",
        example: "ttun mesh rotate add",
        options: MESH_ROTATE_OPTIONS,
        notInFiles: true,
        run: async (options, context) =>
          await (await load(() => import("../mesh/rotate.ts"))).runMeshRotate(options, context),
      }),
      enroll: defineCommand({
        summary: "make this machine an agent, which may publish services",
        example: "ttun mesh enroll example.net --invite-file invite",
        options: ENROLL_OPTIONS,
        notInFiles: true,
        run: async (options, context) =>
          await (await load(() => import("../gateway/enroll.ts"))).runEnroll(options, context),
      }),
      publish: defineCommand({
        summary: "publish a service of this machine at a name of the mesh",
        example: "ttun mesh publish 8080 --name shop",
        options: PUBLISH_OPTIONS,
        logging: logSettings,
        run: async (options, context) =>
          await (await load(() => import("../gateway/publish.ts"))).runPublish(options, context),
      }),
      names: defineCommand({
        summary: "list this machine's published names, or give one back",
        example: "ttun mesh names list",
        options: NAMES_OPTIONS,
        notInFiles: true,
        run: async (options, context) =>
          await (await load(() => import("../gateway/names.ts"))).runNames(options, context),
      }),
      password: defineCommand({
        summary: "print a line for --basic-auth of ttun mesh publish, with a password's hash",
        example: "ttun mesh password ann >>logins",
        options: PASSWORD_OPTIONS,
        notInFiles: true,
        run: async (options, context) =>
          await (await load(() => import("../gateway/password.ts"))).runPassword(options, context),
      }),
      access: defineCommand({
        summary: "make and take back keys for a service published as tcp:// or udp://",
        example: "ttun mesh access home add ann --out ann.access",
        options: ACCESS_OPTIONS,
        notInFiles: true,
        run: async (options, context) =>
          await (await load(() => import("../gateway/access.ts"))).runAccess(options, context),
      }),
      connect: defineCommand({
        summary: "connect standard input and output with a service published as tcp://",
        example: "ssh -o 'ProxyCommand ttun mesh connect %h --access-file key' home.example.net",
        options: REACH_CONNECT_OPTIONS,
        notInFiles: true,
        logging: measureLogging,
        run: async (options, context) =>
          await (await load(() => import("../gateway/reach.ts"))).runReachConnect(options, context),
      }),
      listen: defineCommand({
        summary: "listen here for connections to a service published as tcp:// or udp://",
        example: "ttun mesh listen db.example.net --access-file key -l 5432",
        options: REACH_LISTEN_OPTIONS,
        logging: logSettings,
        run: async (options, context) =>
          await (await load(() => import("../gateway/reach.ts"))).runReachListen(options, context),
      }),
      core: defineCommand({
        summary: "copy the core, which has names and leases, and bring it back",
        example: "ttun mesh core export core.txt",
        options: MESH_CORE_OPTIONS,
        notInFiles: true,
        run: async (options, context) =>
          await (await load(() => import("../mesh/core.ts"))).runMeshCore(options, context),
      }),
    },
  },
  send: defineCommand({
    summary: "send files and folders to another machine's ttun receive, encrypted",
    example: "ttun send photos -s example.net --key-file ~/.ttun-key",
    options: SEND_OPTIONS,
    notInFiles: true,
    logging: logSettings,
    run: async (options, context) =>
      await (await load(() => import("../transfer/command.ts"))).runSend(options, context),
  }),
  receive: defineCommand({
    summary: "receive what another machine's ttun send sends",
    example: "ttun receive -l :20203 -o photos --key-file ~/.ttun-key",
    options: RECEIVE_OPTIONS,
    notInFiles: true,
    logging: logSettings,
    run: async (options, context) =>
      await (await load(() => import("../transfer/command.ts"))).runReceive(options, context),
  }),
  ping: defineCommand({
    summary: "measure how long a server takes to answer, through the encrypted link",
    example: "ttun ping vpn.example.net",
    options: PING_OPTIONS,
    logging: measureLogging,
    run: async (options, context) =>
      await (await load(() => import("../measure/command.ts"))).runPing(options, context),
  }),
  speedtest: defineCommand({
    summary: "measure how fast the link with a server is, both ways",
    example: "ttun speedtest vpn.example.net",
    options: SPEEDTEST_OPTIONS,
    logging: measureLogging,
    run: async (options, context) =>
      await (await load(() => import("../measure/command.ts"))).runSpeedtest(options, context),
  }),
  status: defineCommand({
    summary: "tell what a running ttun does: sessions, forwards, connections, rates",
    example: "ttun status --watch",
    options: STATUS_COMMAND_OPTIONS,
    run: async (options, context) =>
      await (await load(() => import("../status/command.ts"))).runStatus(options, context),
  }),
  doctor: defineCommand({
    summary: "tell what is wrong on this machine or on the way to a server, and how to mend it",
    example: "ttun doctor vpn.example.net",
    options: DOCTOR_OPTIONS,
    run: async (options, context) =>
      await (await load(() => import("../doctor/command.ts"))).runDoctor(options, context),
  }),
  forward: {
    summary: "change the forwards of a running client",
    about: "ttun forward changes the forwards of a ttun client that runs, as ~C does in ssh: it " +
      "asks the client over the socket of ttun status. Connections of a forward that is removed " +
      "go on.",
    aliases: [],
    example: "ttun forward add -L 8080:intranet.example.net:80",
    commands: {
      add: defineCommand({
        summary: "add forwards to a running client",
        example: "ttun forward add -L 8080:intranet.example.net:80",
        options: FORWARD_ADD_OPTIONS,
        run: async (options, context) => (await loadForward()).runForwardAdd(options, context),
      }),
      list: defineCommand({
        summary: "list the forwards of a running client",
        example: "ttun forward list",
        options: FORWARD_LIST_OPTIONS,
        run: async (options, context) => (await loadForward()).runForwardList(options, context),
      }),
      remove: defineCommand({
        summary: "remove a forward of a running client",
        example: "ttun forward remove 8080",
        options: FORWARD_REMOVE_OPTIONS,
        run: async (options, context) => (await loadForward()).runForwardRemove(options, context),
      }),
    },
  },
  share: defineCommand({
    summary: "print a link, and a QR code of it, with which a client connects",
    example: "ttun share vpn.example.net",
    options: SHARE_OPTIONS,
    notInFiles: true,
    run: async (options, context) =>
      await (await load(() => import("../share/command.ts"))).runShare(options, context),
  }),
  key: {
    summary: "add, revoke and list the keys of a server's clients",
    about: "ttun key changes a server's file with a key for each client (--key-file): a running " +
      "server reads it again at SIGHUP, and a client whose key is gone loses its sessions.",
    aliases: [],
    example: "ttun key add laptop --key-file /etc/ttun/keys",
    commands: {
      add: defineCommand({
        summary: "add a new key for a client, in a new file if there is none",
        example: "ttun key add laptop --key-file /etc/ttun/keys",
        options: KEY_ADD_OPTIONS,
        notInFiles: true,
        run: async (options, context) => (await loadKeys()).runKeyAdd(options, context),
      }),
      revoke: defineCommand({
        summary: "take a client's key away",
        example: "ttun key revoke laptop --key-file /etc/ttun/keys",
        options: KEY_CHANGE_OPTIONS,
        notInFiles: true,
        run: async (options, context) => (await loadKeys()).runKeyRevoke(options, context),
      }),
      list: defineCommand({
        summary: "list the names of the keys",
        example: "ttun key list --key-file /etc/ttun/keys",
        options: KEY_LIST_OPTIONS,
        notInFiles: true,
        run: async (options, context) => (await loadKeys()).runKeyList(options, context),
      }),
    },
  },
  device: {
    summary: "make TUN devices on which a user runs ttun without root",
    about:
      "ttun device is for an administrator, once: a device that it makes for a user stays until " +
      "the machine boots, and that user's ttun client or ttun server runs on it (--device NAME) " +
      "without root and without a capability. Routes, name servers and a kill switch still take " +
      "root.",
    aliases: [],
    example: "sudo ttun device add ttun0 --user alice",
    commands: {
      add: defineCommand({
        summary: "make a device for a user, with its addresses (as root)",
        example: "sudo ttun device add ttun0 --user alice --address 10.1.1.2/30",
        options: DEVICE_ADD_OPTIONS,
        notInFiles: true,
        run: async (options, context) => (await loadDevice()).runDeviceAdd(options, context),
      }),
      remove: defineCommand({
        summary: "remove a device that ttun device add has made",
        example: "sudo ttun device remove ttun0",
        options: DEVICE_REMOVE_OPTIONS,
        notInFiles: true,
        run: async (options, context) => (await loadDevice()).runDeviceRemove(options, context),
      }),
      list: defineCommand({
        summary: "list the devices that ttun device add has made",
        example: "ttun device list",
        options: {},
        run: async (options, context) => (await loadDevice()).runDeviceList(options, context),
      }),
    },
  },
  up: defineCommand({
    summary: "start all that a configuration file asks for, in the background",
    example: "ttun up office",
    options: UP_OPTIONS,
    notInFiles: true,
    run: (options, context) => runUp(options, context),
  }),
  down: defineCommand({
    summary: "end what ttun up has started",
    example: "ttun down office",
    options: RUN_OPTIONS,
    notInFiles: true,
    run: async (options, context) => (await loadUp()).runDown(options, context),
  }),
  reload: defineCommand({
    summary: "have what ttun up has started read its files again",
    example: "ttun reload office",
    options: RUN_OPTIONS,
    notInFiles: true,
    run: async (options) => (await loadUp()).runReload(options),
  }),
  logs: defineCommand({
    summary: "print the logs of what ttun up has started",
    example: "ttun logs office --follow",
    options: LOGS_OPTIONS,
    notInFiles: true,
    run: (options, context) => runLogs(options, context),
  }),
  service: {
    summary: "have systemd or another service manager run a configuration",
    about:
      "ttun service has the machine's service manager run what a configuration file asks for, at " +
      "each boot: systemd or OpenRC. For macOS and Windows it writes files that have not been tried " +
      "there yet. It takes root.",
    aliases: [],
    example: "sudo ttun service install office",
    commands: {
      install: defineCommand({
        summary: "make services of a configuration file, started at each boot",
        example: "sudo ttun service install office",
        options: SERVICE_INSTALL_OPTIONS,
        notInFiles: true,
        run: (options, context) => installService(options, context),
      }),
      uninstall: defineCommand({
        summary: "stop and remove what ttun service install has made",
        example: "sudo ttun service uninstall office",
        options: SERVICE_OPTIONS,
        notInFiles: true,
        run: async (options, context) =>
          (await loadService()).runServiceUninstall(options, context),
      }),
      start: defineCommand({
        summary: "start the services of a configuration",
        example: "sudo ttun service start office",
        options: SERVICE_OPTIONS,
        notInFiles: true,
        run: async (options, context) => (await loadService()).runServiceStart(options, context),
      }),
      stop: defineCommand({
        summary: "stop the services of a configuration until the next boot",
        example: "sudo ttun service stop office",
        options: SERVICE_OPTIONS,
        notInFiles: true,
        run: async (options, context) => (await loadService()).runServiceStop(options, context),
      }),
      status: defineCommand({
        summary: "tell what the service manager knows of services",
        example: "ttun service status office",
        options: SERVICE_OPTIONS,
        notInFiles: true,
        run: async (options, context) => (await loadService()).runServiceStatus(options, context),
      }),
      logs: defineCommand({
        summary: "print the logs of services",
        example: "ttun service logs office --follow",
        options: SERVICE_LOGS_OPTIONS,
        notInFiles: true,
        run: async (options, context) => (await loadService()).runServiceLogs(options, context),
      }),
    },
  },
  config: {
    summary: "check, show and explain configuration files",
    about:
      "ttun config is about files of options: TOML, with a table for each run of a command, as " +
      "[[client]] or [[proxy.server]], and the options' long names in it. ttun up runs all that is " +
      "in one; --config takes one command's options from it.",
    aliases: [],
    example: "ttun config check office",
    commands: {
      check: defineCommand({
        summary: "tell each fault of a configuration file by its line",
        example: "ttun config check /etc/ttun/office.toml",
        options: CONFIG_NAME_OPTIONS,
        notInFiles: true,
        run: (options, context) => runConfig("check", options, context),
      }),
      show: defineCommand({
        summary: "print what a configuration file and the environment come to, without secrets",
        example: "ttun config show office",
        options: CONFIG_NAME_OPTIONS,
        notInFiles: true,
        run: (options, context) => runConfig("show", options, context),
      }),
      example: defineCommand({
        summary: "print a configuration file with all options, explained",
        example: "ttun config example client > office.toml",
        options: CONFIG_EXAMPLE_OPTIONS,
        notInFiles: true,
        run: (options, context) => printConfigExample(options, context),
      }),
      schema: defineCommand({
        summary: "print the JSON Schema of configuration files, for editors",
        example: "ttun config schema > ttun.schema.json",
        options: {},
        run: (_, context) => printConfigSchema(context),
      }),
    },
  },
  genkey: defineCommand({
    summary: "print a new random key; a file that it goes to is made its owner's alone",
    example: "mkdir -p ~/.config/ttun && ttun genkey > ~/.config/ttun/key",
    options: {},
    run: async (_, context) =>
      await (await load(() => import("../secrets/genkey.ts"))).runGenkey(context),
  }),
  completions: {
    summary: "print what a shell needs to complete ttun's command lines",
    about: "ttun completions prints a script that completes commands, options and their values, " +
      "for bash, zsh or fish. Put it where the shell looks for such files, or evaluate it when " +
      "the shell starts.",
    aliases: [],
    example: 'eval "$(ttun completions bash)"',
    commands: {
      bash: completionCommand("bash", 'eval "$(ttun completions bash)"'),
      zsh: completionCommand("zsh", 'eval "$(ttun completions zsh)"'),
      fish: completionCommand("fish", "ttun completions fish | source"),
    },
  },
  man: defineCommand({
    summary: "print the manual page",
    example: "ttun man | man -l -",
    options: {},
    run: (_, context) => printManPage(context),
  }),
} as const satisfies Commands;

async function loadPeer() {
  return await load(() => import("../peer/command.ts"));
}

async function loadUp() {
  return await load(() => import("../up/command.ts"));
}

async function runUp(options: UpFlags, context: RunContext): Promise<number> {
  return await (await loadUp()).runUp(options, context, fileCommands(COMMANDS));
}

async function runLogs(options: LogsFlags, context: RunContext): Promise<number> {
  const { runLogs } = await load(() => import("../up/logs.ts"));
  return await runLogs(options, context, fileCommands(COMMANDS));
}

async function runConfig(
  what: "check" | "show",
  options: ConfigNameFlags,
  context: RunContext,
): Promise<number> {
  const commands = await load(() => import("../config/command.ts"));
  const run = what === "check" ? commands.runConfigCheck : commands.runConfigShow;
  return await run(options, context, fileCommands(COMMANDS));
}

async function printConfigExample(
  options: ConfigExampleFlags,
  { signal }: RunContext,
): Promise<number> {
  const { exampleOf } = await load(() => import("../config/example.ts"));
  await print(exampleOf(options.command, fileCommands(COMMANDS)), signal);
  return 0;
}

async function printConfigSchema({ signal }: RunContext): Promise<number> {
  const { configSchema } = await load(() => import("../config/schema.ts"));
  await print(`${JSON.stringify(configSchema(fileCommands(COMMANDS)), null, 2)}\n`, signal);
  return 0;
}

async function loadDevice() {
  return await load(() => import("../device/command.ts"));
}

async function installService(
  options: ServiceInstallFlags,
  context: RunContext,
): Promise<number> {
  return await (await loadService()).runServiceInstall(options, context, fileCommands(COMMANDS));
}

async function loadService() {
  return await load(() => import("../service/command.ts"));
}

async function loadKeys() {
  return await load(() => import("../keys/command.ts"));
}

async function loadForward() {
  return await load(() => import("../status/forward_command.ts"));
}

function completionCommand(shell: keyof typeof COMPLETIONS, example: string): Command {
  return defineCommand({
    summary: `print the script for ${shell}`,
    example,
    options: {},
    run: (_, context) => printCompletion(shell, context),
  });
}

async function printCompletion(
  shell: keyof typeof COMPLETIONS,
  { signal }: RunContext,
): Promise<number> {
  const { COMPLETIONS } = await load(() => import("./completions.ts"));
  await print(COMPLETIONS[shell](COMMANDS), signal);
  return 0;
}

async function printManPage({ signal }: RunContext): Promise<number> {
  const { manPage } = await load(() => import("./man_page.ts"));
  await print(manPage(COMMANDS), signal);
  return 0;
}

function leavesRoot({ user }: { readonly user?: string | undefined }): boolean {
  return user !== undefined;
}
