// Carries bytes between the wire and descriptors: the server's three pipes, and connections to the relay.
#define _GNU_SOURCE
#include "wire.h"
#include "relay.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct stream {
  int open;
  // What is read from `from` goes to the wire, as far as there is credit; what the wire brings is written to `to`.
  int from, to;
  uint32_t credit;
  // Bytes for `to` that it has not taken yet; `ending`: it is closed when they are written.
  uint32_t start, waiting, taken;
  int ending;
  unsigned char *buffer;
};

static struct stream streams[STREAMS];

void stream_open(int id, int from, int to) {
  struct stream *stream = &streams[id];
  *stream = (struct stream){.open = 1, .from = from, .to = to, .credit = WINDOW};
  if (to >= 0 && !(stream->buffer = malloc(WINDOW))) fail("no memory for stream %d", id);
}

int stream_is_open(int id) { return streams[id].open; }

static void closed(int id) {
  struct stream *stream = &streams[id];
  if (stream->from >= 0 || stream->to >= 0) return;
  free(stream->buffer);
  stream->open = 0;
}

static void close_from(int id) {
  struct stream *stream = &streams[id];
  if (stream->from != stream->to) close(stream->from);
  stream->from = -1;
  wire_send(END, id, 0, 0);
  closed(id);
}

static void close_to(int id) {
  struct stream *stream = &streams[id];
  if (stream->to == stream->from) shutdown(stream->to, SHUT_WR);
  else close(stream->to);
  stream->to = -1;
  closed(id);
}

// Both directions at once, and the other side is told unless it said so itself.
static void reset(int id, int tell) {
  struct stream *stream = &streams[id];
  if (stream->from >= 0) close(stream->from);
  if (stream->to >= 0 && stream->to != stream->from) close(stream->to);
  stream->from = stream->to = -1;
  if (tell) wire_send(RESET, id, 0, 0);
  closed(id);
}

static void flush(int id) {
  struct stream *stream = &streams[id];
  while (stream->waiting > 0) {
    uint32_t line = WINDOW - stream->start;
    ssize_t written = write(stream->to, stream->buffer + stream->start, stream->waiting < line ? stream->waiting : line);
    if (written < 0) {
      if (errno == EAGAIN || errno == EINTR) return;
      // A server that closed its input; what is still sent to it is taken and dropped.
      if (id < FIRST_CONNECTION) close_to(id);
      else reset(id, 1);
      return;
    }
    stream->start = (stream->start + written) % WINDOW;
    stream->waiting -= written;
    stream->taken += written;
    // What is left of the window lets the driver go on meanwhile.
    if (stream->taken < WINDOW / 2) continue;
    wire_send(CREDIT, id, &stream->taken, sizeof stream->taken);
    stream->taken = 0;
  }
  if (stream->ending) close_to(id);
}

static void pump(int id) {
  static unsigned char bytes[LARGEST_DATA];
  struct stream *stream = &streams[id];
  ssize_t got = read(stream->from, bytes, stream->credit < sizeof bytes ? stream->credit : sizeof bytes);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0 && id >= FIRST_CONNECTION) return reset(id, 1);
  if (got <= 0) return close_from(id);
  stream->credit -= got;
  wire_send(DATA, id, bytes, got);
}

void stream_frame(uint16_t id, uint16_t kind, unsigned char *payload, uint32_t length) {
  // Frames that were on their way when a stream ended here.
  if (id >= STREAMS || !streams[id].open) return;
  struct stream *stream = &streams[id];
  switch (kind) {
    case DATA:
      if (stream->to < 0 || stream->ending) return;
      if (length > WINDOW - stream->waiting) fail("stream %d is over its window", id);
      for (uint32_t done = 0; done < length;) {
        uint32_t end = (stream->start + stream->waiting) % WINDOW;
        uint32_t line = length - done < WINDOW - end ? length - done : WINDOW - end;
        memcpy(stream->buffer + end, payload + done, line);
        stream->waiting += line;
        done += line;
      }
      return flush(id);
    case CREDIT:
      if (length == sizeof(uint32_t)) {
        uint32_t more;
        memcpy(&more, payload, sizeof more);
        stream->credit += more;
      }
      return;
    case END:
      if (stream->to < 0) return;
      stream->ending = 1;
      return flush(id);
    case RESET:
      return reset(id, 0);
  }
}

static struct pollfd polled[1 + LISTENERS + 2 * STREAMS];
static struct { int id, reads; } of[1 + LISTENERS + 2 * STREAMS];

static int watch(int count, int descriptor, short events, int id) {
  polled[count] = (struct pollfd){descriptor, events, 0};
  of[count].id = id;
  of[count].reads = events == POLLIN;
  return count + 1;
}

void streams_serve(void) {
  int count = watch(0, wire_descriptor(), POLLIN, -1);
  for (int i = 0; i < relay_count; i++) count = watch(count, relay_listeners[i].descriptor, POLLIN, -2 - i);
  for (int id = STDIN; id < STREAMS; id++) {
    struct stream *stream = &streams[id];
    if (!stream->open) continue;
    if (stream->from >= 0 && stream->credit > 0) count = watch(count, stream->from, POLLIN, id);
    if (stream->to >= 0 && stream->waiting > 0) count = watch(count, stream->to, POLLOUT, id);
  }
  // Ended children are told between two polls and during one, never unseen in between.
  sigset_t none;
  sigemptyset(&none);
  if (ppoll(polled, count, 0, &none) < 0) return;
  for (int i = 1; i < count; i++) {
    if (!polled[i].revents) continue;
    int id = of[i].id;
    if (id < 0) relay_accept(-2 - id);
    else if (of[i].reads && streams[id].from == polled[i].fd) pump(id);
    else if (!of[i].reads && streams[id].to == polled[i].fd) flush(id);
  }
  if (polled[0].revents) wire_receive();
}
