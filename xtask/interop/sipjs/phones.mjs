// SIP.js as a browser would run it, without the browser: real signalling over WebSocket, descriptions that are made up.
//
//     node phones.mjs pair URL DOMAIN     alice and bob register and call each other
//     node phones.mjs answer URL DOMAIN   bob registers, says `ready`, and takes one call to its end
//
// Passwords come from ALICE and BOB in the environment.

import { createRequire } from "node:module";
import WebSocket from "ws";

globalThis.WebSocket = WebSocket;
const { Inviter, Messager, Registerer, RegistererState, SessionState, UserAgent } = createRequire(import.meta.url)("sip.js");

const [role, server, domain] = process.argv.slice(2);

/** Offers and answers one audio line that leads nowhere. */
class Descriptions {
  version = 1;
  direction = "sendrecv";

  close() {}
  hasDescription(contentType) {
    return contentType === "application/sdp";
  }
  async getDescription() {
    const lines = ["v=0", `o=- 1 ${this.version++} IN IP4 127.0.0.1`, "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
      "m=audio 9 RTP/AVP 0", "a=rtpmap:0 PCMU/8000", `a=${this.direction}`];
    return { body: lines.join("\r\n") + "\r\n", contentType: "application/sdp" };
  }
  async setDescription(text) {
    if (!text.includes("m=audio")) throw new Error(`no audio in ${text}`);
    this.theirs = text;
  }
  async rollbackDescription() {}
  sendDtmf() {
    return false;
  }
}

function until(emitter, wanted) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${wanted} did not come`)), 20_000);
    emitter.addListener((state) => {
      if (state === wanted) {
        clearTimeout(late);
        resolve();
      }
    });
  });
}

async function phone(name) {
  const waiting = [];
  const seen = { calls: [], messages: [] };
  const next = (list) => new Promise((resolve) => (list.length ? resolve(list.shift()) : waiting.push([list, resolve])));
  const arrived = (list, what) => {
    const at = waiting.findIndex(([own]) => own === list);
    if (at < 0) list.push(what);
    else waiting.splice(at, 1)[0][1](what);
  };
  const agent = new UserAgent({
    uri: UserAgent.makeURI(`sip:${name}@${domain}`),
    authorizationUsername: name,
    authorizationPassword: process.env[name.toUpperCase()],
    transportOptions: { server, traceSip: true },
    logBuiltinEnabled: false,
    logConnector: (level, category, label, content) => console.error(level, category, content),
    sessionDescriptionHandlerFactory: () => new Descriptions(),
    delegate: {
      onInvite: (invitation) => arrived(seen.calls, invitation),
      onMessage: (message) => {
        message.accept();
        arrived(seen.messages, message.request.body);
      },
    },
  });
  await agent.start();
  const registerer = new Registerer(agent);
  const registered = until(registerer.stateChange, RegistererState.Registered);
  await registerer.register();
  await registered;
  return {
    agent,
    call: () => next(seen.calls),
    message: () => next(seen.messages),
    async leave() {
      const gone = until(registerer.stateChange, RegistererState.Unregistered);
      await registerer.unregister();
      await gone;
      await agent.stop();
    },
  };
}

async function talk(from, to, name, hangsUp) {
  const inviter = new Inviter(from.agent, UserAgent.makeURI(`sip:${name}@${domain}`));
  const up = until(inviter.stateChange, SessionState.Established);
  await inviter.invite();
  const invitation = await to.call();
  const ends = [inviter, invitation].map((session) => until(session.stateChange, SessionState.Terminated));
  await invitation.accept();
  await up;
  // Both hold and resume: requests within the dialog, in either direction.
  for (const session of [inviter, invitation]) {
    for (const direction of ["sendonly", "sendrecv"]) {
      // SIP.js tells of an answer before it has sent the ACK, and takes its time with an ACK that comes: the next request
      // would overtake it and be refused.
      await new Promise((resolve) => setTimeout(resolve, 50));
      session.sessionDescriptionHandler.direction = direction;
      await new Promise((resolve, reject) => {
        const requestDelegate = { onAccept: resolve, onReject: () => reject(new Error("the change was refused")) };
        session.invite({ requestDelegate }).catch(reject);
      });
    }
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  await (hangsUp === "caller" ? inviter : invitation).bye();
  await Promise.all(ends);
}

async function giveUp(from, to, name) {
  const inviter = new Inviter(from.agent, UserAgent.makeURI(`sip:${name}@${domain}`));
  await inviter.invite();
  const invitation = await to.call();
  const ends = [inviter, invitation].map((session) => until(session.stateChange, SessionState.Terminated));
  await inviter.cancel();
  await Promise.all(ends);
}

async function pair() {
  const [alice, bob] = [await phone("alice"), await phone("bob")];
  await talk(alice, bob, "bob", "caller");
  await talk(bob, alice, "alice", "callee");
  await giveUp(alice, bob, "bob");
  await new Messager(alice.agent, UserAgent.makeURI(`sip:bob@${domain}`), "Grüße").message();
  if ((await bob.message()) !== "Grüße") throw new Error("the message is another one");
  await alice.leave();
  await bob.leave();
}

async function answer() {
  const bob = await phone("bob");
  console.log("ready");
  const invitation = await bob.call();
  const end = until(invitation.stateChange, SessionState.Terminated);
  await invitation.accept();
  await end;
  await bob.leave();
}

try {
  await (role === "pair" ? pair() : answer());
  console.log("done");
  process.exit(0);
} catch (error) {
  console.error(error);
  process.exit(1);
}
