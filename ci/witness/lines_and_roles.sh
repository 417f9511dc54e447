#!/usr/bin/env bash
# Makes a rig file for witnesses of RTU lines and TLS: ci/witness/lines_and_roles.sh FOLDER
# Chiller and fire panel are on an RTU line; the EMS speaks TLS, and only clients with the role "service" may write it.
# FOLDER gets rig.toml, the register map with the role below data (for --data), and keys and certificates that are valid
# for a day: of the server, and of clients with the role, with another, without one, and of a stranger.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD out=$1
role=1.3.6.1.4.1.50316.802.1 # Modbus/TCP Security

mkdir -p "$out/data/modbus"
cd "$out"
authority() { # NAME
    openssl req -x509 -newkey rsa:2048 -nodes -days 1 -keyout "$1.key" -out "$1.pem" -subj "/CN=$1" 2>/dev/null
}
sign() { # NAME AUTHORITY EXTENSION...
    local name=$1 by=$2
    shift 2
    openssl req -new -newkey rsa:2048 -nodes -keyout "$name.key" -out "$name.csr" -subj "/CN=$name" 2>/dev/null
    openssl x509 -req -in "$name.csr" -days 1 -CA "$by.pem" -CAkey "$by.key" -CAcreateserial -out "$name.pem" \
        -extfile <(printf '%s\n' "basicConstraints=CA:FALSE" "$@") 2>/dev/null
}
authority plant
authority elsewhere
sign server plant "subjectAltName=IP:127.0.0.1"
sign service plant "$role=ASN1:UTF8String:service"
sign guest plant "$role=ASN1:UTF8String:guest"
sign nobody plant
sign stranger elsewhere "$role=ASN1:UTF8String:service"

map=$root/device-emulators/data/modbus/ems.toml
sed 's/^access = "read-write"$/&\nrole = ["service"]/' "$map" >data/modbus/ems.toml
grep -q '^role' data/modbus/ems.toml || { echo "witness: $map has no block that may be written" >&2; exit 1; }

cat >rig.toml <<END
inherits = "$root/scenarios/rigs/liquid-20ft-rtu.toml"
title = "20-ft liquid container for witnesses of RTU lines and TLS"

[[rtu_line]]
name = "aux"
link = "$out/aux"

[[ems]]
tag = "site-01/ems"
tls = { certificate = "server.pem", key = "server.key", ca = "plant.pem" }
modbus = { plain_role = "service" } # the operator station, which is no client of this port
END
