// What a frontend does, in the types that are generated from the OpenAPI document. It is compiled, not run.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Resume = components["schemas"]["Resume"];
type Failure = components["schemas"]["Detail"] | components["schemas"]["FieldErrors"];

const api = createClient<paths>({ baseUrl: "http://localhost:8000", credentials: "include" });

export async function account(): Promise<boolean> {
  const registered = await api.POST("/api/auth/register/", {
    body: {
      username: "john_doe",
      email: "john.doe@example.com",
      password: "SecurePass123!",
      password2: "SecurePass123!",
      first_name: "John",
    },
  });
  if (registered.error) {
    const failure: Failure | { detail: string } = registered.error;
    throw new Error(JSON.stringify(failure));
  }
  const tokens = await api.POST("/api/auth/login/", { body: { email: "john.doe@example.com", password: "SecurePass123!" } });
  if (!tokens.data) return false;
  const headers = { Authorization: `Bearer ${tokens.data.access}` };
  const fresh = await api.POST("/api/auth/refresh/", { body: { refresh: tokens.data.refresh } });
  const profile = await api.PATCH("/api/auth/profile/", { headers, body: { first_name: "Jean", phone: null } });
  const kind: "monthly" | "yearly" | null | undefined = profile.data?.subscription_type;
  await api.POST("/api/auth/change-password/", {
    headers,
    body: { old_password: "SecurePass123!", new_password: "NewSecurePass456!", new_password2: "NewSecurePass456!" },
  });
  return fresh.data !== undefined && kind !== null;
}

export async function templates(): Promise<string[]> {
  const all = await api.GET("/api/templates/");
  const one = await api.GET("/api/templates/{id}/", { params: { path: { id: 1 } } });
  const named = [...(all.data ?? []), ...(one.data ? [one.data] : [])];
  return named.filter((template) => !template.is_premium).map((template) => template.thumbnail);
}

export async function resumes(): Promise<Resume | undefined> {
  const created = await api.POST("/api/resumes/", {
    params: { header: { "Idempotency-Key": "5b1f0c1e-6d0a-4f0e-9a51-2f7c3f4d8e60" } },
    body: {
      template: 1,
      full_name: "Marie Dubois",
      email: "marie.dubois@example.com",
      experience_data: [{ company: "Digital Agency", position: "Cheffe de projet", start_date: "2020-03-01" }],
      skills_data: [{ name: "React", level: "expert" }],
      languages_data: [{ language: "Français", level: "Natif", since: 1990 }],
    },
  });
  if (!created.data) return undefined;
  const path = { id: created.data.id };
  const saved = await api.PATCH("/api/resumes/{id}/", {
    params: { path, header: { "If-Match": created.response.headers.get("ETag") ?? "*" } },
    body: { title: "Lead Developer", summary: null },
  });
  if (saved.response.status === 412) return (saved.error as components["schemas"]["StaleVersion"]).current;
  const pdf = await api.POST("/api/resumes/{id}/export_pdf/", { params: { path }, body: {} });
  const link: string | undefined = pdf.data?.has_watermark ? undefined : pdf.data?.pdf_url;
  const imported = await api.POST("/api/resumes/import_linkedin/", {
    body: { linkedin_url: "https://www.linkedin.com/in/johndoe" },
  });
  const notes: string[] | undefined = imported.data?.import_report?.map((note) => `${note.file}: ${note.reason}`);
  const mine = await api.GET("/api/resumes/", { params: { query: { limit: 10 } } });
  await api.DELETE("/api/resumes/{id}/", { params: { path } });
  return link === undefined && notes === undefined ? mine.data?.[0] : saved.data;
}

export async function checkout(resume: Resume): Promise<string | undefined> {
  const level: "beginner" | "intermediate" | "advanced" | "expert" | null | undefined = resume.skills[0]?.level;
  const page = await api.POST("/api/payments/create-checkout/", {
    body: {
      payment_type: level === null ? "monthly" : "single",
      resume_id: resume.id,
      success_url: "http://localhost:3000/payment/success",
      cancel_url: "http://localhost:3000/payment/cancel",
    },
  });
  return page.data?.url;
}

// What the document does not have is no type either.
// @ts-expect-error: a CV needs a template
export const withoutTemplate: components["schemas"]["ResumeBody"] = { full_name: "Marie", email: "marie@example.com" };
// @ts-expect-error: no such level
export const unknownLevel: components["schemas"]["SkillData"] = { name: "React", level: "godlike" };
// @ts-expect-error: no such path
export const nowhere = () => api.GET("/api/nowhere/");
