// Swagger UI on the merged schema of this very gateway. The session cookie goes along: it is the same origin.
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
