/* libmodbus against a live rig: modbus_libmodbus HOST PORT SCRATCH SCRATCH_WIDE. Prints a line for each check that does
 * not hold and the count of all; exit code 0 if all hold. Made and run by modbus_libmodbus.py. */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int checks, failures;

static void check(const char *what, long got, long expected) {
    checks++;
    if (got != expected) {
        failures++;
        printf("  FAIL %s: got %ld, expected %ld (%s)\n", what, got, expected, modbus_strerror(errno));
    }
}

/* Expects a call to have failed with this exception. */
static void refused(const char *what, int result, int exception) {
    check(what, result, -1);
    check(what, errno - MODBUS_ENOBASE, exception);
}

/* Sends a PDU as it is and expects an exception, which libmodbus leaves in the reply of a raw request. */
static void raw(modbus_t *ctx, const char *what, const uint8_t *pdu, int length, int exception) {
    uint8_t request[1 + MODBUS_MAX_PDU_LENGTH], reply[MODBUS_TCP_MAX_ADU_LENGTH];
    const int header = modbus_get_header_length(ctx);
    request[0] = 1; /* unit */
    memcpy(request + 1, pdu, length);
    check(what, modbus_send_raw_request(ctx, request, length + 1) > 0, 1);
    check(what, modbus_receive_confirmation(ctx, reply), header + 2);
    check(what, reply[header], pdu[0] | 0x80);
    check(what, reply[header + 1], exception);
}

int main(int argc, char **argv) {
    if (argc != 5) return 64;
    const int scratch = atoi(argv[3]), wide = atoi(argv[4]);
    modbus_t *ctx = modbus_new_tcp(argv[1], atoi(argv[2]));
    uint16_t regs[MODBUS_MAX_READ_REGISTERS] = {0};
    uint8_t bits[8];
    modbus_set_slave(ctx, 1);
    modbus_set_response_timeout(ctx, 5, 0);
    check("connects", modbus_connect(ctx), 0);

    check("FC3", modbus_read_registers(ctx, 40000, 2, regs), 2);
    check("FC3 SunS", (long)regs[0] << 16 | regs[1], 0x53756E53);
    check("FC3 of 125", modbus_read_registers(ctx, 40000, 125, regs), 125);
    check("FC6", modbus_write_register(ctx, scratch, 321), 1);
    check("FC3 reads it", modbus_read_registers(ctx, scratch, 1, regs), 1);
    check("FC6 value", regs[0], 321);
    const uint16_t value[2] = {0x0001, 0xE240};
    check("FC16", modbus_write_registers(ctx, wide, 2, value), 2);
    check("FC3 reads 32 bits", modbus_read_registers(ctx, wide, 2, regs), 2);
    check("FC16 value", (long)regs[0] << 16 | regs[1], 123456);
    /* (321 AND 0xFF00) OR (0x2A AND NOT 0xFF00) = 0x012A */
    check("FC22", modbus_mask_write_register(ctx, scratch, 0xFF00, 0x002A), 1);
    check("FC3 after it", modbus_read_registers(ctx, scratch, 1, regs), 1);
    check("FC22 value", regs[0], 0x012A);
    const uint16_t seven = 7;
    check("FC23", modbus_write_and_read_registers(ctx, scratch, 1, &seven, scratch, 1, regs), 1);
    check("FC23 reads what it wrote", regs[0], 7);

    refused("FC1: no coils", modbus_read_bits(ctx, 0, 1, bits), 1);
    refused("FC4: no input registers", modbus_read_input_registers(ctx, 0, 1, regs), 1);
    refused("FC3 over the end", modbus_read_registers(ctx, 65000, 2, regs), 2);
    refused("FC6 read-only", modbus_write_register(ctx, 40000, 1), 2);
    refused("FC6 out of range", modbus_write_register(ctx, scratch, 5000), 3);
    refused("FC16 half a value", modbus_write_registers(ctx, wide + 1, 1, value), 2);
    refused("FC23 with a bad read", modbus_write_and_read_registers(ctx, scratch, 1, value, 65000, 1, regs), 2);
    check("FC3 after it", modbus_read_registers(ctx, scratch, 1, regs), 1);
    check("it has not written", regs[0], 7);

    const uint8_t nothing[] = {3, 0x9C, 0x40, 0, 0}, many[] = {3, 0x9C, 0x40, 0, 126};
    const uint8_t mismatch[] = {16, 0x9C, 0x40, 0, 1, 4, 0, 0}, unknown[] = {0x64, 1};
    raw(ctx, "raw FC3 of 0", nothing, sizeof nothing, 3);
    raw(ctx, "raw FC3 of 126", many, sizeof many, 3);
    raw(ctx, "raw FC16 byte count", mismatch, sizeof mismatch, 3);
    raw(ctx, "raw unknown function", unknown, sizeof unknown, 1);

    const uint16_t zero[2] = {0, 0};
    check("puts it back", modbus_write_register(ctx, scratch, 0), 1);
    check("puts 32 bits back", modbus_write_registers(ctx, wide, 2, zero), 2);
    modbus_close(ctx);
    modbus_free(ctx);
    printf("  libmodbus %s: %d of %d checks hold\n", LIBMODBUS_VERSION_STRING, checks - failures, checks);
    return failures ? 2 : 0;
}
