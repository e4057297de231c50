"""Packets that libsrtp and we protect and unprotect, one beside the other.

usage: packets.py PROGRAM, the example `packets` of ringback-srtp. Every RTP packet that one of them protects must be
the same, octet for octet, as what the other makes of it; both must get out of all packets of either what went in; what
one of them refuses, the other refuses.
"""

import random
import subprocess
import sys

from pylibsrtp import Error, Policy, Session

PROFILES = [
    ("AES_CM_128_HMAC_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
    ("AES_CM_128_HMAC_SHA1_32", Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 30),
    ("AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
    ("AEAD_AES_256_GCM", Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44),
]
PACKETS = 2000


class Ours:
    """The example, asked a line at a time."""

    def __init__(self, program, profile, key):
        command = [program, profile, key.hex()]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, what, packet):
        self.child.stdin.write(f"{what} {packet.hex()}\n")
        answer = self.child.stdout.readline().strip()
        return None if answer.startswith("refused") else bytes.fromhex(answer)

    def end(self):
        self.child.stdin.close()
        assert self.child.wait(10) == 0, "the example failed"


class Theirs:
    """A session of libsrtp in each direction."""

    def __init__(self, profile, key):
        def session(direction):
            return Session(policy=Policy(key=key, ssrc_type=direction, srtp_profile=profile))

        out, back = session(Policy.SSRC_ANY_OUTBOUND), session(Policy.SSRC_ANY_INBOUND)
        self.does = {
            "protect-rtp": out.protect,
            "protect-rtcp": out.protect_rtcp,
            "unprotect-rtp": back.unprotect,
            "unprotect-rtcp": back.unprotect_rtcp,
        }

    def ask(self, what, packet):
        try:
            return self.does[what](packet)
        except Error:
            return None


def rtp(rand, sequence, ssrc):
    """A packet of random size, now and then with contributors, an extension or padding."""
    contributors = rand.choice([0, 0, 0, 1, 15])
    extended, padded = rand.random() < 0.2, rand.random() < 0.1
    packet = bytes([0x80 | 0x10 * extended | 0x20 * padded | contributors, rand.randrange(128)])
    packet += (sequence % 65536).to_bytes(2, "big") + rand.randbytes(4) + ssrc.to_bytes(4, "big")
    packet += rand.randbytes(4 * contributors)
    if extended:
        words = rand.randrange(5)
        packet += rand.choice([b"\xbe\xde", b"\x10\x00", b"ab"]) + words.to_bytes(2, "big") + rand.randbytes(4 * words)
    packet += rand.randbytes(rand.choice([0, 1, 20, 160, 160, 1200]))
    return packet + (b"\0\0\0\x04" if padded else b"")


def rtcp(rand, ssrc):
    """A receiver report about nobody, with a few octets of another kind behind it."""
    words = rand.randrange(20)
    tail = b"\x80\xcc" + (2 + words).to_bytes(2, "big") + ssrc.to_bytes(4, "big") + b"test" + rand.randbytes(4 * words)
    return b"\x80\xc9\0\x01" + ssrc.to_bytes(4, "big") + tail


def compare(program, name, profile, key_len, is_theirs):
    rand = random.Random(f"{name} {is_theirs}")
    key = rand.randbytes(key_len)
    ours, theirs = Ours(program, name, key), Theirs(profile, key)
    # Two streams, one of which goes past the end of the numbers again and again.
    at = {0x11223344: 65_000, 0xCAFEBABE: 1}
    kept, refused = [], 0
    for number in range(PACKETS):
        ssrc = rand.choice(list(at))
        kind = "rtcp" if rand.random() < 0.1 else "rtp"
        if kind == "rtp":
            at[ssrc] += rand.choice([1, 1, 1, 1, 2, 40, 9_000 if ssrc == 0xCAFEBABE else 1])
            plain = rtp(rand, at[ssrc], ssrc)
        else:
            plain = rtcp(rand, ssrc)
        both = [side.ask(f"protect-{kind}", plain) for side in (ours, theirs)]
        wire = both[is_theirs]
        # libsrtp numbers its reports from 1, and we from 0 (RFC 3711 §3.4).
        assert wire and (both[0] == both[1] or kind == "rtcp"), f"{name} {number}: {plain.hex()} {both}"
        kept.append((kind, plain, wire))
        # Some come later, twice, or with an octet that is not theirs.
        for kind, plain, wire in [kept.pop(rand.randrange(len(kept)))] if rand.random() < 0.9 else []:
            is_forged = rand.random() < 0.1
            sent = bytearray(wire)
            sent[rand.randrange(len(sent)) if is_forged else 0] ^= rand.randrange(1, 256) if is_forged else 0
            for again in range(rand.choice([1, 1, 2])):
                both = [side.ask(f"unprotect-{kind}", bytes(sent)) for side in (ours, theirs)]
                # What was changed where the reader finds its way is refused for one reason or another.
                assert both[0] == both[1], f"{name} {number}: {both}"
                assert both[0] in (plain, None) and not (is_forged and both[0]), f"{name} {number}: {both}"
                refused += both[0] is None
    ours.end()
    return refused


def main():
    told = []
    for name, profile, key_len in PROFILES:
        refused = [compare(sys.argv[1], name, profile, key_len, is_theirs) for is_theirs in (False, True)]
        told.append(f"{name} {sum(refused)}")
    print(f"{2 * PACKETS} packets of each profile the same; refused by both: " + ", ".join(told))


main()
