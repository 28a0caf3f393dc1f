/* The console that `xl console` shows, and xenconsoled keeps; put_char and get_char of
   text.h are its. */
#ifndef CONSOLE_H
#define CONSOLE_H

void console_start(void);  /* output */
void console_listen(void); /* input too; after events_start */

#endif
