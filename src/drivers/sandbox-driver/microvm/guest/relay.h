// The sandbox's end of the way out: listens on loopback, and carries each connection over the wire.
#ifndef RELAY_H
#define RELAY_H

enum { LISTENERS = 256 };
struct listener {
  int descriptor;
  // The first line of each connection from here: `proxy`, or the NAME:PORT that was connected to.
  char line[272];
};
extern struct listener relay_listeners[LISTENERS];
extern int relay_count;

// `what`: ADDRESS PORT LINE
void relay_listen(const char *what);
void relay_accept(int listener);
#endif
