// A web shop in JavaScript asks for a shipping label. Plain Node, no package:
//     node publish.mjs P-1001 Berlin Lisbon 2.5
// A job is a JSON object with a type and a body, put with beanstalkd's own protocol.

import net from "node:net";

const [parcel, from, to, kilos] = process.argv.slice(2);
const job = JSON.stringify({
  type: "shipping.label",
  body: { parcel, from, to, kilos: Number(kilos) },
  headers: { publisher: "node" },
});

const { hostname, port } = new URL(process.env.PULPO_URL ?? "beanstalkd://127.0.0.1:11300");
const socket = net.connect(Number(port || 11300), hostname);
// put <priority> <delay> <seconds that one run may take> <bytes>
socket.write(`use shipping\r\nput 65536 0 60 ${Buffer.byteLength(job)}\r\n${job}\r\nquit\r\n`);

let answer = "";
socket.on("data", (data) => (answer += data));
socket.on("end", () => {
  console.log(`${parcel}: ${answer.trim().split("\r\n").pop()}`);
  process.exitCode = /^INSERTED /m.test(answer) ? 0 : 1;
});
socket.on("error", (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
