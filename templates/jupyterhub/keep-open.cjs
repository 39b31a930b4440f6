// From the workbench's deploy: for JupyterHub's proxy, which asks what is behind sockets with `Connection: close`.
//
// What answers at once then closes while Node has yet to end the request, which it does by a write of nothing. On a unix
// socket that fails (EPIPE), and the answer is lost: of 1,200 POSTs that the hub refused, 7 were told that it is down. So
// it is asked to keep the connection, which Node closes itself once it has the answer, as no agent keeps it.
const http = require("node:http");
const { syncBuiltinESMExports } = require("node:module");

const request = http.request;
http.request = function (options, ...rest) {
  if (options?.socketPath && options.agent === false && options.headers?.connection === "close") {
    options.headers.connection = "keep-alive";
  }
  return request.call(this, options, ...rest);
};
syncBuiltinESMExports();
