/** nginx and Caddy as reverse proxies with TLS, and nginx before a forward of OpenSSH. */
import { sshArgs, startSshd } from "../../e2e/sshd.ts";
import type { Host } from "../../netns.ts";
import { UNPACKED } from "../../runner/extras.ts";
import {
  type Certificate,
  type Contender,
  NAME,
  PAGE_PORT,
  untilListening,
  UPLOAD_PORT,
} from "./contender.ts";

const CADDY = `${UNPACKED}/caddy/usr/bin/caddy`;
const FORWARDED = { page: 9100, upload: 9101 };

/** The page and the file, by nginx; and what takes uploads, by node. */
export async function startServices(host: Host, folder: string): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  await Deno.writeTextFile(`${folder}/index.html`, `${"hello ".repeat(100)}\n`);
  await host.sh(`truncate -s 256M ${folder}/large; chmod 755 ${folder}`);
  stack.use(
    await startNginx(
      host,
      `${folder}/services`,
      `
    server { listen 127.0.0.1:${PAGE_PORT} backlog=4096; root ${folder}; access_log off; }`,
    ),
  );
  const sink = new URL("upload_sink.mjs", import.meta.url).pathname;
  const uploads = stack.use(host.spawn("node", [sink, String(UPLOAD_PORT)]));
  await uploads.waitFor(/listening/, 20_000);
  return stack.move();
}

export async function nginxProxy(
  host: Host,
  folder: string,
  { cert, key }: Certificate,
  o: { name?: string; port?: number; page?: number; upload?: number } = {},
): Promise<Contender & AsyncDisposable> {
  const { name = "nginx", port = 9443, page = PAGE_PORT, upload = UPLOAD_PORT } = o;
  const nginx = await startNginx(
    host,
    `${folder}/nginx-${port}`,
    `
    upstream page { server 127.0.0.1:${page}; keepalive 64; }
    upstream upload { server 127.0.0.1:${upload}; keepalive 16; }
    server {
      listen 127.0.0.1:${port} ssl http2 backlog=4096; server_name ${NAME};
      ssl_certificate ${cert}; ssl_certificate_key ${key};
      keepalive_requests 1000000; client_max_body_size 0;
      proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      location / { proxy_pass http://page; }
      location /up { proxy_pass http://upload; proxy_request_buffering off; }
    }`,
  );
  return {
    ...{ name, port, processes: [nginx], upload: `${NAME} /up` },
    [Symbol.asyncDispose]: () => nginx[Symbol.asyncDispose](),
  };
}

export async function caddyProxy(
  host: Host,
  folder: string,
  { cert, key }: Certificate,
): Promise<Contender & AsyncDisposable> {
  const port = 9444;
  await Deno.writeTextFile(
    `${folder}/Caddyfile`,
    `{
  admin off
  auto_https off
}
https://${NAME}:${port} {
  tls ${cert} ${key}
  log {
    output file ${folder}/caddy.log
  }
  handle /up* {
    reverse_proxy 127.0.0.1:${UPLOAD_PORT}
  }
  handle {
    reverse_proxy 127.0.0.1:${PAGE_PORT}
  }
}
`,
  );
  const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
  const args = ["run", "--adapter", "caddyfile", "--config", `${folder}/Caddyfile`];
  const caddy = host.spawn(CADDY, args, { env });
  await untilListening(host, port);
  return {
    ...{ name: "Caddy", port, processes: [caddy], upload: `${NAME} /up` },
    [Symbol.asyncDispose]: () => caddy[Symbol.asyncDispose](),
  };
}

/** A visitor's way by nginx and a remote forward of ssh to the service. */
export async function sshProxy(
  host: Host,
  folder: string,
  certificate: Certificate,
): Promise<Contender & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const spawn = (command: string, args: string[]) => host.spawn(command, args);
  const place = { path: `${folder}/ssh` };
  await Deno.mkdir(place.path);
  const sshd = stack.use(await startSshd(place, { spawn }));
  const ssh = stack.use(host.spawn("ssh", [
    ...sshArgs(place),
    ...["-N", "-R", `${FORWARDED.page}:127.0.0.1:${PAGE_PORT}`],
    ...["-R", `${FORWARDED.upload}:127.0.0.1:${UPLOAD_PORT}`, "root@127.0.0.1"],
  ]));
  await untilListening(host, FORWARDED.upload);
  const name = "ssh -R behind nginx";
  const nginx = stack.use(
    await nginxProxy(host, folder, certificate, { name, port: 9445, ...FORWARDED }),
  );
  const kept = stack.move();
  return {
    ...nginx,
    processes: [sshd, ssh, ...nginx.processes],
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function startNginx(host: Host, folder: string, servers: string) {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(
    `${folder}/conf`,
    `user root; daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr;
     events { worker_connections 8192; }
     http {
       access_log ${folder}/access.log; sendfile on;
       client_body_temp_path ${folder}/a; proxy_temp_path ${folder}/b; fastcgi_temp_path ${folder}/c;
       uwsgi_temp_path ${folder}/d; scgi_temp_path ${folder}/e;
       ${servers}
     }`,
  );
  const nginx = host.spawn("nginx", ["-c", `${folder}/conf`, "-e", "stderr"]);
  const [port] = /(?<=listen 127\.0\.0\.1:)\d+/.exec(servers)!;
  await untilListening(host, Number(port));
  return nginx;
}
