// The service in node's `soap`: `node server.js WSDL`; says its port on standard output.
"use strict";
const fs = require("fs");
const http = require("http");
const crypto = require("crypto");
const soap = require("soap");

const wsdl = fs.readFileSync(process.argv[2], "utf8");
const authenticate = ({ strUserName, strPassword }) => ({
  authenticateResult: {
    string: [crypto.randomBytes(16).toString("base64url"), strUserName && strPassword ? "none" : "nvu"],
  },
});
// Every name that the WSDL may give the service and its port leads to the same method.
const port = new Proxy({}, { get: () => ({ authenticate }), has: () => true });
const services = new Proxy({}, { get: () => port, has: () => true });
const server = http.createServer((_request, response) => response.writeHead(404).end());
server.keepAliveTimeout = 65000;
server.listen(0, "127.0.0.1", () => {
  soap.listen(server, "/qbwc", services, wsdl, () => console.log(server.address().port));
});
