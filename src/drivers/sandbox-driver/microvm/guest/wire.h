// The wire between the agent and the driver: one virtio-serial port that carries orders and numbered streams of bytes,
// each with a window of its own. The driver's half is ../wire.ts. All numbers are little-endian.
#ifndef WIRE_H
#define WIRE_H
#include <stdint.h>

// In front of each frame: bytes of payload, the stream that it belongs to, what it is.
struct frame {
  uint32_t length;
  uint16_t stream, kind;
};

enum {
  // Of a stream. CREDIT: so many bytes more may be sent; OPEN: a connection was accepted; RESET: it was given up.
  DATA, CREDIT, END, OPEN, RESET,
  // To the agent.
  RESEED = 16, FILTER, START,
  // From the agent.
  READY = 32, STARTED, FAILED, EXITED,
};

enum { ORDERS, STDIN, STDOUT, STDERR, FIRST_CONNECTION, STREAMS = 260 };
enum { WINDOW = 65536, LARGEST_DATA = 32768, LARGEST_FRAME = 1 << 20 };

// Waits for the one port to appear.
void wire_open(void);
int wire_descriptor(void);
// Reads what has come, and hands each whole frame on.
void wire_receive(void);
void wire_send(uint16_t kind, uint16_t stream, const void *payload, uint32_t length);

// Where frames go: orders to agent.c, all else to streams.c.
void obey(uint16_t kind, unsigned char *payload, uint32_t length);
void stream_frame(uint16_t stream, uint16_t kind, unsigned char *payload, uint32_t length);

// A stream's two descriptors, non-blocking; -1: this direction is closed from the beginning.
void stream_open(int id, int from, int to);
// Reads from and writes to the descriptors that are ready, until one poll(2) has nothing; `more` are polled along.
void streams_serve(void);
int stream_is_open(int id);

__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);
#endif
