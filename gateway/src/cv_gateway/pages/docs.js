// Swagger UI of the merged schema. Requests have the same origin, so the browser sends the session cookie.
window.addEventListener("load", () => {
  window.SwaggerUIBundle({
    url: "/api/schema/",
    dom_id: "#swagger-ui",
    deepLinking: true,
    docExpansion: "list",
    displayRequestDuration: true,
    persistAuthorization: false,
    tryItOutEnabled: true,
  });
});
