#define _GNU_SOURCE
#include "relay.h"
#include "wire.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct listener relay_listeners[LISTENERS];
int relay_count;

void relay_listen(const char *what) {
  if (relay_count == LISTENERS) fail("more than %d addresses to listen on", LISTENERS);
  struct listener *listener = &relay_listeners[relay_count++];
  char address[16];
  unsigned port;
  if (sscanf(what, "%15s %u %270s", address, &port, listener->line) != 3) fail("listen %s", what);
  strcat(listener->line, "\n");
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, address, &at.sin_addr) != 1) fail("listen %s", what);
  listener->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bind(listener->descriptor, (struct sockaddr *)&at, sizeof at) || listen(listener->descriptor, 64)) fail("listen %s: %s", what, strerror(errno));
}

void relay_accept(int index) {
  struct listener *listener = &relay_listeners[index];
  int connection = accept4(listener->descriptor, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (connection < 0) return;
  // In turn, so that a number is not another's while the driver may still speak of what it was.
  static int next = FIRST_CONNECTION;
  for (int tried = FIRST_CONNECTION; tried < STREAMS; tried++) {
    int id = next;
    next = next + 1 < STREAMS ? next + 1 : FIRST_CONNECTION;
    if (stream_is_open(id)) continue;
    int on = 1;
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    stream_open(id, connection, connection);
    wire_send(OPEN, id, listener->line, strlen(listener->line));
    return;
  }
  close(connection);
}
