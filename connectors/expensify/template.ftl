<#-- flowctl's export of Expensify reports as JSON. Every scalar is a JSON text, or null where Expensify has no such field:
     numbers as plain digits, booleans as "true" and "false". The form is schemas/expensify/report.schema.json.
     Whoever changes it gives the marker `template` another number. -->
<#assign reportFields = ["reportID", "oldReportID", "reportName", "status", "state", "total", "currency", "created",
  "submitted", "approved", "reimbursed", "policyID", "policyName", "accountEmail", "submitterUserID",
  "submitterPayrollID", "managerEmail"]>
<#assign expenseFields = ["transactionID", "merchant", "modifiedMerchant", "amount", "modifiedAmount",
  "convertedAmount", "currency", "created", "modifiedCreated", "category", "categoryGlCode", "tag", "tagGlCode",
  "comment", "reimbursable", "billable", "mcc", "modifiedMCC", "type", "taxAmount", "modifiedTaxAmount", "taxName"]>
<#macro scalar of name>
<#if !of[name]??>null<#t>
<#elseif of[name]?is_number>"${of[name]?c}"<#t>
<#elseif of[name]?is_boolean>"${of[name]?c}"<#t>
<#elseif of[name]?is_unknown_date_like>"${of[name]?datetime?string.iso}"<#t>
<#elseif of[name]?is_date_like>"${of[name]?string.iso}"<#t>
<#elseif of[name]?is_string>"${of[name]?json_string}"<#t>
<#else>null<#t>
</#if>
</#macro>
<#macro scalars of names>
<#list names as name>"${name}":<@scalar of name/><#sep>,</#sep></#list><#t>
</#macro>
<#function given of name>
  <#if !of[name]??><#return false></#if>
  <#if of[name]?is_number><#return of[name] != 0></#if>
  <#if of[name]?is_boolean><#return of[name]></#if>
  <#if of[name]?is_string><#return !["", "0", "false"]?seq_contains(of[name]?trim)></#if>
  <#return false>
</#function>
<#macro tags of>
<#local some = false>
[<#t>
<#list 1..20 as level>
<#local name = "ntag" + level?c>
<#if given(of, name) || given(of, name + "GlCode")>
<#if some>,</#if>{"level":"${level?c}","name":<@scalar of name/>,"glCode":<@scalar of name + "GlCode"/>}<#t>
<#local some = true>
</#if>
</#list>
]<#t>
</#macro>
<#macro receipt of>
<#if of.receiptObject?? && of.receiptObject?is_hash><@scalar of.receiptObject "url"/><#else>null</#if><#t>
</#macro>
<#macro expenses of>
[<#t>
<#if of.transactionList?? && of.transactionList?is_enumerable>
<#list of.transactionList as expense>
{<@scalars expense expenseFields/>,<#t>
"ntags":<@tags expense/>,<#t>
"companyCard":"${(given(expense, "bank") || given(expense, "cardNumber"))?c}",<#t>
"receiptUrl":<@receipt expense/>}<#sep>,</#sep><#t>
</#list>
</#if>
]<#t>
</#macro>
{"template":"flowctl-2","reports":[<#t>
<#list reports![] as report>
{<@scalars report reportFields/>,"expenses":<@expenses report/>}<#sep>,</#sep>
</#list>
]}
