/* A Modbus TCP server as the examples of libmodbus have it: select() over its connections, one request after the other.
 * libmodbus_server PORT: 200 holding registers from 40000 on, until it is killed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <unistd.h>

#include <modbus.h>

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "libmodbus_server PORT\n");
        return 2;
    }
    modbus_t *context = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
    modbus_mapping_t *registers = modbus_mapping_new_start_address(0, 0, 0, 0, 40000, 200, 0, 0);
    int listener = context && registers ? modbus_tcp_listen(context, 64) : -1;
    if (listener < 0) {
        fprintf(stderr, "libmodbus_server: %s\n", modbus_strerror(errno));
        return 1;
    }
    for (int i = 0; i < 200; i++) registers->tab_registers[i] = (uint16_t) i;

    fd_set all;
    FD_ZERO(&all);
    FD_SET(listener, &all);
    int highest = listener;
    for (;;) {
        fd_set ready = all;
        if (select(highest + 1, &ready, NULL, NULL, NULL) < 0) return 1;
        for (int socket = 0; socket <= highest; socket++) {
            if (!FD_ISSET(socket, &ready)) continue;
            if (socket == listener) {
                int accepted = modbus_tcp_accept(context, &listener);
                if (accepted < 0) continue;
                FD_SET(accepted, &all);
                if (accepted > highest) highest = accepted;
                continue;
            }
            uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
            modbus_set_socket(context, socket);
            int length = modbus_receive(context, request);
            if (length > 0) {
                modbus_reply(context, request, length, registers);
            } else if (length < 0) {
                close(socket);
                FD_CLR(socket, &all);
            }
        }
    }
}
