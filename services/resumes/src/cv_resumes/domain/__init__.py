"""The rules of resumes, free of any machinery: whose they are, what an edit keeps, what is paid, how PDFs are named."""
