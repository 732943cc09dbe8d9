#include "wire.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static int port = -1;
static unsigned char received[LARGEST_FRAME + sizeof(struct frame)];
static uint32_t held;

void wire_open(void) {
  glob_t found;
  for (int turn = 0; glob("/dev/vport*p1", 0, 0, &found); turn++) {
    if (turn == 5000) fail("no virtio-serial port");
    usleep(1000);
  }
  port = open(found.gl_pathv[0], O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (port < 0) fail("%s: %s", found.gl_pathv[0], strerror(errno));
  globfree(&found);
}

int wire_descriptor(void) { return port; }

static void put(const unsigned char *bytes, uint32_t length) {
  while (length > 0) {
    // The port takes 32 kB at a time.
    ssize_t written = write(port, bytes, length < LARGEST_DATA ? length : LARGEST_DATA);
    if (written > 0) {
      bytes += written;
      length -= written;
    } else if (errno == EAGAIN) {
      struct pollfd ready = {port, POLLOUT, 0};
      poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      _exit(1);
    }
  }
}

void wire_send(uint16_t kind, uint16_t stream, const void *payload, uint32_t length) {
  static unsigned char whole[sizeof(struct frame) + LARGEST_DATA];
  struct frame frame = {length, stream, kind};
  memcpy(whole, &frame, sizeof frame);
  if (length > 0) memcpy(whole + sizeof frame, payload, length);
  put(whole, sizeof frame + length);
}

void wire_receive(void) {
  ssize_t got = read(port, received + held, sizeof received - held);
  if (got <= 0) return;
  held += got;
  uint32_t at = 0;
  struct frame frame;
  while (held - at >= sizeof frame) {
    memcpy(&frame, received + at, sizeof frame);
    if (frame.length > LARGEST_FRAME) fail("frame of %u bytes", frame.length);
    if (held - at < sizeof frame + frame.length) break;
    unsigned char *payload = received + at + sizeof frame;
    if (frame.stream == ORDERS) obey(frame.kind, payload, frame.length);
    else stream_frame(frame.stream, frame.kind, payload, frame.length);
    at += sizeof frame + frame.length;
  }
  memmove(received, received + at, held - at);
  held -= at;
}
