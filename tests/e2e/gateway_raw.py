# A service that keeps to the rules of HTTP/1.1, and does no more: answers by the path, and closes kept-alive connections
# without a word after three answers.
import socket
import threading

ANSWERS = {
    "/no-content": b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
    "/not-modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nETag: \"a\"\r\n\r\n",
    "/head": b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n",
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
    b"4\r\nwiki\r\n5;a=b\r\npedia\r\n0\r\nX-Sum: 9\r\n\r\n",
    "/hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhints",
    "/until-the-end": b"HTTP/1.0 200 OK\r\n\r\nall of it",
    "/two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "/split": b"HTTP/1.1 200 OK\r\nX-A: b\rX-B: c\r\nContent-Length: 2\r\n\r\nok",
    "/not-http": b"SSH-2.0-OpenSSH_9.2\r\n",
}


def serve(connection):
    with connection, connection.makefile("rb") as lines:
        for _ in range(3):
            line = lines.readline().decode("latin1").split(" ")
            if len(line) < 3:
                return
            length = 0
            while (field := lines.readline().strip()) != b"":
                if field.lower().startswith(b"content-length:"):
                    length = int(field.split(b":")[1])
            lines.read(length)
            path = line[1]
            body = f"{line[0]} {path}".encode("latin1")
            plain = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            answer = ANSWERS.get(path, plain)
            connection.sendall(answer)
            if path in ("/until-the-end", "/not-http"):
                return


with socket.create_server(("127.0.0.1", 8090)) as listener:
    print("listening", flush=True)
    while True:
        threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
