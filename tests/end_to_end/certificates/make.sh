#!/bin/sh
# Makes the certificates of the network tests anew, beside itself, with OpenSSL 3. The authority's
# key is thrown away; the server's key is in the open, and guards nothing.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
new_key "$work/authority.key"
new_key server.key

# openssl ca, since it takes any dates.
cat > "$work/ca.cnf" <<END
[ca]
database = $work/index
new_certs_dir = $work
rand_serial = yes
unique_subject = no
default_md = sha256
policy = policy
[policy]
commonName = supplied
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[here]
basicConstraints = critical,CA:FALSE
subjectAltName = IP:127.0.0.1,DNS:localhost
[own]
basicConstraints = critical,CA:TRUE
[elsewhere]
basicConstraints = critical,CA:FALSE
subjectAltName = DNS:elsewhere.invalid
END
touch "$work/index"

# certificate NAME SUBJECT KEY EXTENSIONS UNTIL and how it is signed
certificate() {
    name=$1 subject=$2 key=$3 extensions=$4 until=$5
    shift 5
    openssl req -new -config /dev/null -key "$key" -subj "/CN=$subject" -out "$work/request"
    openssl ca -batch -notext -config "$work/ca.cnf" -name ca -extensions "$extensions" \
        -startdate 20200101000000Z -enddate "$until" -in "$work/request" -out "$name.pem" "$@"
}
by_authority="-cert authority.pem -keyfile $work/authority.key"
certificate authority "Glassbox test authority" "$work/authority.key" authority 22000101000000Z \
    -selfsign -keyfile "$work/authority.key"
certificate good "Glassbox test server" server.key here 22000101000000Z $by_authority
certificate expired "Glassbox test server" server.key here 20210101000000Z $by_authority
certificate other-name "Glassbox test server" server.key elsewhere 22000101000000Z $by_authority
certificate self-signed "Glassbox test server" server.key here 22000101000000Z -selfsign -keyfile server.key
# As home servers have them: one that says it is an authority, and names no host but in its common name; the same, expired;
# and one of X.509 version 1, which has no extensions at all.
itself="-selfsign -keyfile server.key"
certificate own octopi server.key own 22000101000000Z $itself
certificate own-expired octopi server.key own 20210101000000Z $itself
openssl req -new -config /dev/null -key server.key -subj /CN=octopi -out "$work/request"
openssl ca -batch -notext -config "$work/ca.cnf" -name ca -startdate 20200101000000Z -enddate 22000101000000Z \
    -in "$work/request" -out version-1.pem $itself
