#!/usr/bin/perl
# Answers one call at LEG (HOST:PORT), plays the PCMU in the file PLAY again and again, keeps what it hears in the file HEARD, and ends
# with the call.
use strict;
use warnings;
use Net::SIP qw(:all);

my ($leg, $play, $heard) = @ARGV;
my $ua = Net::SIP::Simple->new(
    from => 'sip:bob@127.0.0.1',
    leg  => Net::SIP::Leg->new(addr => (split /:/, $leg)[0], port => (split /:/, $leg)[1]),
);
my $over;
$ua->listen(
    init_media => $ua->rtp('send_recv', $play, -1, $heard),
    recv_bye   => \$over,
);
$| = 1;
print "ready\n";
$ua->loop(60, \$over);
die "nobody hung up\n" if !$over;
# The answer to BYE is on its way.
$ua->loop(1);
print "done\n";
