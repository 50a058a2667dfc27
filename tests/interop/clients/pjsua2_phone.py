#!/usr/bin/env python3
"""A phone on pjsua2 for one call: registers, then dials or waits to be called, plays a tone and records what it hears.

It prints one event a line: `REGISTERED code`, `CALL state code`, `MEDIA rx=packets tx=packets`, and at the end `DONE`.
The exit code is 0 only when a call was established and ended.
"""
import argparse
import sys
import time

import pjsua2 as pj


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="host:port of the registrar and outbound proxy")
    parser.add_argument("--local", required=True, help="address to bind SIP and RTP to")
    parser.add_argument("--transport", choices=("udp", "tcp"), default="tcp")
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--play", required=True, help="WAV file sent to the peer")
    parser.add_argument("--record", required=True, help="WAV file written with what the peer sent")
    parser.add_argument("--dial", help="SIP URI to call; without it the phone waits to be called")
    parser.add_argument("--hold", type=float, default=4.0, help="seconds from answer to hang-up, for the caller")
    parser.add_argument("--deadline", type=float, default=40.0, help="seconds after which the phone gives up")
    return parser.parse_args()


def say(*words):
    print(*words, flush=True)


class Call(pj.Call):
    def __init__(self, phone, call_id=pj.PJSUA_INVALID_ID):
        super().__init__(phone.account, call_id)
        self.phone = phone
        self.player = self.recorder = None

    def onCallState(self, _):
        info = self.getInfo()
        say("CALL", info.stateText, info.lastStatusCode)
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.phone.established_at = time.monotonic()
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.phone.ended = True

    def onCallMediaState(self, _):
        # The list lives as long as `info`: taken from a temporary it would be read after it is freed.
        info = self.getInfo()
        if self.player is not None or not any(m.status == pj.PJSUA_CALL_MEDIA_ACTIVE for m in info.media):
            return
        audio = self.getAudioMedia(-1)
        self.player, self.recorder = pj.AudioMediaPlayer(), pj.AudioMediaRecorder()
        self.player.createPlayer(self.phone.options.play)
        self.recorder.createRecorder(self.phone.options.record)
        self.player.startTransmit(audio)
        audio.startTransmit(self.recorder)

    def onStreamDestroyed(self, prm):
        rtcp = self.getStreamStat(prm.streamIdx).rtcp
        say(f"MEDIA rx={rtcp.rxStat.pkt} tx={rtcp.txStat.pkt}")
        # The recorder writes its length into the file when it goes.
        self.player = self.recorder = None


class Account(pj.Account):
    def __init__(self, phone):
        super().__init__()
        self.phone = phone

    def onRegState(self, prm):
        say("REGISTERED" if prm.code == 200 else "REFUSED", prm.code)
        self.phone.registration = prm.code

    def onIncomingCall(self, prm):
        self.phone.call = Call(self.phone, prm.callId)
        for code in (180, 200):
            answer = pj.CallOpParam()
            answer.statusCode = code
            self.phone.call.answer(answer)


class Phone:
    def __init__(self, options):
        self.options = options
        self.registration = 0
        self.established_at = None
        self.ended = False
        self.call = None
        self.endpoint = pj.Endpoint()
        self.start_endpoint()
        self.account = Account(self)
        self.account.create(self.account_config())

    def start_endpoint(self):
        config = pj.EpConfig()
        config.logConfig.level = config.logConfig.consoleLevel = 4
        # Callbacks into Python come from this thread only.
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        # Without silence suppression the packet counts follow from the length of the call.
        config.medConfig.noVad = True
        self.endpoint.libCreate()
        self.endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.port = 0
        transport.boundAddress = self.options.local
        kind = pj.PJSIP_TRANSPORT_TCP if self.options.transport == "tcp" else pj.PJSIP_TRANSPORT_UDP
        self.endpoint.transportCreate(kind, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()

    def account_config(self):
        o = self.options
        host = o.server.rsplit(":", 1)[0]
        config = pj.AccountConfig()
        config.idUri = f"sip:{o.user}@{host}"
        config.regConfig.registrarUri = f"sip:{o.server};transport={o.transport}"
        config.regConfig.timeoutSec = 120
        config.sipConfig.proxies.append(f"sip:{o.server};transport={o.transport};lr")
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", o.user, 0, o.password))
        config.mediaConfig.transportConfig.boundAddress = o.local
        return config

    def until(self, condition):
        while not condition():
            if time.monotonic() > self.gives_up_at:
                raise TimeoutError("the phone waited too long")
            self.endpoint.libHandleEvents(20)

    def run(self):
        self.gives_up_at = time.monotonic() + self.options.deadline
        self.until(lambda: self.registration)
        if self.registration != 200:
            return 1
        if self.options.dial:
            self.call = Call(self)
            self.call.makeCall(self.options.dial, pj.CallOpParam(True))
            self.until(lambda: self.established_at or self.ended)
            hang_up_at = time.monotonic() + self.options.hold
            self.until(lambda: self.ended or time.monotonic() > hang_up_at)
            if not self.ended:
                self.call.hangup(pj.CallOpParam())
        self.until(lambda: self.ended)
        return 0 if self.established_at else 1


def main():
    phone = Phone(arguments())
    code = phone.run()
    phone.call = None
    phone.account.shutdown()
    phone.endpoint.libDestroy()
    say("DONE")
    return code


if __name__ == "__main__":
    sys.exit(main())
