#!/usr/bin/perl
# Calls TO (HOST:PORT) from LEG (HOST:PORT), plays the PCMU in the file PLAY again and again, keeps what it hears in the file HEARD, and
# hangs up after SECONDS.
use strict;
use warnings;
use Net::SIP qw(:all);

my ($leg, $to, $play, $heard, $seconds) = @ARGV;
my $ua = Net::SIP::Simple->new(
    from => 'sip:guest@127.0.0.1',
    leg  => Net::SIP::Leg->new(addr => (split /:/, $leg)[0], port => (split /:/, $leg)[1]),
);
my $hung_up;
my $call = $ua->invite("sip:bob\@$to", init_media => $ua->rtp('send_recv', $play, -1, $heard))
    or die 'no call: ' . $ua->error . "\n";
die 'no call: ' . $call->error . "\n" if $ua->error || $call->error;
print "answered\n";
$ua->add_timer($seconds, sub { $call->bye(cb_final => sub { $hung_up = 1 }) });
$ua->loop($seconds + 10, \$hung_up);
die "no answer to BYE\n" if !$hung_up;
print "done\n";
